/* masked_max on cpu.
 *
 * A tile is one sequence and a strip of COLUMNS of its features: the strip's largest
 * values stay in registers while the steps go by.  Backward goes through the strip
 * three times: the maximum again, how many steps have it, and their parts.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/masked_max/masked_max.h"

#include <math.h>

enum { STRIP = 4, COLUMNS = STRIP * TERN_LANES };

/* One sequence of the batch and a strip of its columns. */
typedef struct sequence {
    const uint8_t *mask; /* [steps] or NULL */
    const float *x;      /* of the strip's first column */
    int64_t n, steps, dim, from, columns;
    bool any_valid;
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

    if (call->in[1])
        seq.mask = (const uint8_t *)call->in[1]->data + seq.n * seq.steps;
    seq.x = (const float *)call->in[0]->data + seq.n * seq.steps * seq.dim + seq.from;
    for (int64_t t = 0; t < seq.steps && !seq.any_valid; t++)
        seq.any_valid = is_valid(&seq, t);
    seq.columns = seq.dim - seq.from < COLUMNS ? seq.dim - seq.from : COLUMNS;
    return seq;
}

/* NaN, which is not equal to itself, wins. */
static inline tern_vf larger(tern_vf best, tern_vf x)
{
    return tern_select((x > best) | (x != x), x, best); // NOLINT(misc-redundant-expression)
}

/* The largest values of the strip, 0 if no step is valid. */
static void largest_of(const sequence *seq, float *best)
{
    tern_vf start = tern_splat(seq->any_valid ? -INFINITY : 0);
    if (seq->columns == COLUMNS) {
        tern_vf whole[STRIP] = { start, start, start, start };
        for (int64_t t = 0; t < seq->steps; t++)
            for (int i = 0; i < STRIP && is_valid(seq, t); i++)
                whole[i] = larger(whole[i], tern_load(seq->x + t * seq->dim + i * TERN_LANES));
        for (int i = 0; i < STRIP; i++)
            tern_store(best + i * TERN_LANES, whole[i]);
        return;
    }
    for (int64_t d = 0; d < seq->columns; d += TERN_LANES) {
        tern_vf part = start;
        for (int64_t t = 0; t < seq->steps; t++)
            if (is_valid(seq, t))
                part = larger(part, tern_load_part(seq->x + t * seq->dim + d, seq->columns - d));
        tern_store_part(best + d, part, seq->columns - d);
    }
}

static void max_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    sequence seq = sequence_of_tile(call, tile);
    (void)worker;
    largest_of(&seq, (float *)call->out[0]->data + seq.n * seq.dim + seq.from);
}

static void grad_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    sequence seq = sequence_of_tile(call, tile);
    const float *grad_y = (const float *)call->grad_out[0]->data + seq.n * seq.dim + seq.from;
    float *grad_x = (float *)call->grad_in[0]->data + seq.n * seq.steps * seq.dim + seq.from;
    float best[COLUMNS], equals[COLUMNS] = { 0 };

    (void)worker;
    largest_of(&seq, best);
    for (int64_t t = 0; t < seq.steps; t++)
        for (int64_t d = 0; d < seq.columns && is_valid(&seq, t); d++)
            equals[d] += seq.x[t * seq.dim + d] == best[d];
    for (int64_t t = 0; t < seq.steps; t++) {
        const float *x = seq.x + t * seq.dim;
        float *restrict row = grad_x + t * seq.dim;
        if (!call->accumulate[0])
            memset(row, 0, (size_t)seq.columns * sizeof *row);
        for (int64_t d = 0; d < seq.columns && is_valid(&seq, t); d++)
            row[d] += (x[d] == best[d] ? grad_y[d] : 0) / equals[d];
    }
}

static void masked_max_forward(tern_call *call)
{
    int64_t tiles = call->in[0]->shape[0] * strips(call);
    tern_parallel(tern_ctx_pool(call->ctx), tiles, max_tile, call);
}

static void masked_max_backward(tern_call *call)
{
    int64_t tiles = call->in[0]->shape[0] * strips(call);
    tern_parallel(tern_ctx_pool(call->ctx), tiles, grad_tile, call);
}

const tern_impl TERN_LEVEL(tern_masked_max_cpu) = {
    .op = "masked_max", .backend = "cpu", .provider = "hand",
    .forward = masked_max_forward, .backward = masked_max_backward,
};
