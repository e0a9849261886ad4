/* masked_mean on cpu.
 *
 * A tile is one sequence and a strip of COLUMNS of its features: the strip's sums
 * stay in registers while the steps go by.  Sums are float32 in the order of time.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/masked_mean/masked_mean.h"

enum { STRIP = 4, COLUMNS = STRIP * TERN_LANES };

/* One sequence of the batch and a strip of its columns. */
typedef struct sequence {
    const uint8_t *mask; /* [steps] or NULL */
    int64_t n, steps, dim, from, columns;
    float weight; /* 1 / number of valid steps, 0 if there are none */
} sequence;

static int64_t strips(const tern_call *call)
{
    return (call->in[0]->shape[2] + COLUMNS - 1) / COLUMNS;
}

static bool is_valid(const sequence *seq, int64_t t)
{
    return !seq->mask || seq->mask[t];
}

static sequence sequence_of_tile(const tern_call *call, int64_t tile)
{
    sequence seq = { .n = tile / strips(call), .steps = call->in[0]->shape[1],
                     .dim = call->in[0]->shape[2], .from = tile % strips(call) * COLUMNS };
    int64_t valid = 0;

    if (call->in[1])
        seq.mask = (const uint8_t *)call->in[1]->data + seq.n * seq.steps;
    for (int64_t t = 0; t < seq.steps; t++)
        valid += is_valid(&seq, t);
    seq.weight = valid > 0 ? 1 / (float)valid : 0;
    seq.columns = seq.dim - seq.from < COLUMNS ? seq.dim - seq.from : COLUMNS;
    return seq;
}

static void mean_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    sequence seq = sequence_of_tile(call, tile);
    const float *x = (const float *)call->in[0]->data + seq.n * seq.steps * seq.dim + seq.from;
    float *y = (float *)call->out[0]->data + seq.n * seq.dim + seq.from;

    (void)worker;
    if (seq.columns == COLUMNS) {
        tern_vf sum[STRIP] = { { 0 } };
        for (int64_t t = 0; t < seq.steps; t++)
            for (int i = 0; i < STRIP && is_valid(&seq, t); i++)
                sum[i] += tern_load(x + t * seq.dim + i * TERN_LANES);
        for (int i = 0; i < STRIP; i++)
            tern_store(y + i * TERN_LANES, sum[i] * seq.weight);
        return;
    }
    for (int64_t d = 0; d < seq.columns; d += TERN_LANES) {
        int64_t lanes = seq.columns - d < TERN_LANES ? seq.columns - d : TERN_LANES;
        tern_vf sum = { 0 };
        for (int64_t t = 0; t < seq.steps; t++)
            if (is_valid(&seq, t))
                sum += tern_load_part(x + t * seq.dim + d, lanes);
        tern_store_part(y + d, sum * seq.weight, lanes);
    }
}

static void grad_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    sequence seq = sequence_of_tile(call, tile);
    bool accumulate = call->accumulate[0];
    const float *grad_y = (const float *)call->grad_out[0]->data + seq.n * seq.dim + seq.from;
    float *grad_x =
        (float *)call->grad_in[0]->data + seq.n * seq.steps * seq.dim + seq.from;
    float share[COLUMNS];

    (void)worker;
    for (int64_t d = 0; d < seq.columns; d++)
        share[d] = grad_y[d] * seq.weight;
    for (int64_t t = 0; t < seq.steps; t++) {
        float *restrict row = grad_x + t * seq.dim;
        if (!is_valid(&seq, t) && !accumulate)
            memset(row, 0, (size_t)seq.columns * sizeof(float));
        else if (!accumulate)
            memcpy(row, share, (size_t)seq.columns * sizeof(float));
        else if (is_valid(&seq, t))
            for (int64_t d = 0; d < seq.columns; d++)
                row[d] += share[d];
    }
}

static void masked_mean_forward(tern_call *call)
{
    int64_t tiles = call->in[0]->shape[0] * strips(call);
    tern_parallel(tern_ctx_pool(call->ctx), tiles, mean_tile, call);
}

static void masked_mean_backward(tern_call *call)
{
    int64_t tiles = call->in[0]->shape[0] * strips(call);
    tern_parallel(tern_ctx_pool(call->ctx), tiles, grad_tile, call);
}

const tern_impl TERN_LEVEL(tern_masked_mean_cpu) = {
    .op = "masked_mean", .backend = "cpu", .provider = "hand",
    .forward = masked_mean_forward, .backward = masked_mean_backward,
};
