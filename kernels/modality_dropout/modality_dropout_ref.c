/* modality_dropout on ref: row by row, the specification. */
#include "core/rng.h"
#include "kernels/modality_dropout/modality_dropout.h"

static bool has_valid_step(const tern_tensor *mask, int64_t n)
{
    const uint8_t *valid = mask->data;
    for (int64_t t = 0; t < mask->shape[1]; t++)
        if (valid[n * mask->shape[1] + t])
            return true;
    return false;
}

/* Which of the row's modalities are left: present[m] of those that are there. */
static void choose(const tern_call *call, int64_t n, uint8_t *present)
{
    const tern_modality_dropout_opts *opts = call->options;
    int largest = -1, left = 0;
    float u[TERN_MAX_ARGS];

    for (int m = 0; m < call->inputs; m++) {
        u[m] = tern_uniform(tern_random_bits(call->rng_seed, call->rng_step, call->rng_position,
                                             (uint64_t)(n * call->inputs + m)));
        bool there = has_valid_step(call->in[m], n);
        bool hidden = call->training && u[m] < opts->p;
        present[m] = there && !hidden;
        left += present[m];
        if (there && (largest < 0 || u[m] > u[largest]))
            largest = m;
    }
    if (left == 0 && largest >= 0)
        present[largest] = 1;
}

static void modality_dropout_forward(tern_call *call)
{
    const tern_tensor *out = call->out[TERN_MODALITY_DROPOUT_Y];
    uint8_t *y = out->data, *present = call->out[TERN_MODALITY_DROPOUT_PRESENT]->data;
    double *count = call->out[TERN_MODALITY_DROPOUT_COUNT]->data;

    for (int64_t n = 0; n < out->shape[0]; n++) {
        uint8_t *left = present + n * call->inputs;
        choose(call, n, left);
        count[n] = 0;
        for (int m = 0; m < call->inputs; m++) {
            const uint8_t *mask = call->in[m]->data;
            int64_t steps = call->in[m]->shape[1];
            for (int64_t t = 0; t < steps; t++)
                *y++ = left[m] ? mask[n * steps + t] : 0;
            count[n] += left[m];
        }
    }
}

const tern_impl tern_modality_dropout_ref = {
    .op = "modality_dropout", .backend = "ref", .provider = "hand",
    .forward = modality_dropout_forward,
};
