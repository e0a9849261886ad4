/* modality_dropout on cpu: a batch's masks are some thousand bytes, which one thread
 * copies a row of a mask at a time. */
#include "core/rng.h"
#include "core/simd.h"
#include "kernels/modality_dropout/modality_dropout.h"

static float draw(const tern_call *call, int64_t n, int m)
{
    return tern_uniform(tern_random_bits(call->rng_seed, call->rng_step, call->rng_position,
                                         (uint64_t)(n * call->inputs + m)));
}

static const uint8_t *mask_row(const tern_call *call, int m, int64_t n)
{
    return (const uint8_t *)call->in[m]->data + n * call->in[m]->shape[1];
}

static void find_present(const tern_call *call, int64_t n, uint8_t *present)
{
    for (int m = 0; m < call->inputs; m++) {
        const uint8_t *mask = mask_row(call, m, n);
        uint8_t any = 0;
        for (int64_t t = 0; t < call->in[m]->shape[1]; t++)
            any |= mask[t];
        present[m] = any != 0;
    }
}

/* present[m] becomes 0 for what is hidden. */
static void hide(const tern_call *call, int64_t n, uint8_t *present)
{
    const tern_modality_dropout_opts *opts = call->options;
    float best = -1; /* the largest draw so far, and whose it is */
    int winner = 0, left = 0;
    for (int m = 0; m < call->inputs; m++) {
        if (!present[m])
            continue;
        float u = draw(call, n, m);
        if (u > best) {
            best = u;
            winner = m;
        }
        present[m] = u >= opts->p;
        left += present[m];
    }
    if (best >= 0 && left == 0)
        present[winner] = 1;
}

static void modality_dropout_forward(tern_call *call)
{
    const tern_modality_dropout_opts *opts = call->options;
    const tern_tensor *out = call->out[TERN_MODALITY_DROPOUT_Y];
    uint8_t *y = out->data, *present = call->out[TERN_MODALITY_DROPOUT_PRESENT]->data;
    float *count = call->out[TERN_MODALITY_DROPOUT_COUNT]->data;

    for (int64_t n = 0; n < out->shape[0]; n++, present += call->inputs) {
        find_present(call, n, present);
        if (call->training && opts->p > 0)
            hide(call, n, present);
        count[n] = 0;
        for (int m = 0; m < call->inputs; m++) {
            size_t steps = (size_t)call->in[m]->shape[1];
            if (present[m])
                memcpy(y, mask_row(call, m, n), steps);
            else
                memset(y, 0, steps);
            y += steps;
            count[n] += present[m];
        }
    }
}

const tern_impl TERN_LEVEL(tern_modality_dropout_cpu) = {
    .op = "modality_dropout", .backend = "cpu", .provider = "hand",
    .forward = modality_dropout_forward,
};
