/* masked_max on cpu, strip by strip.  Backward goes through the strip three times: the
 * maximum again, how many steps have it, and their parts. */
#include "kernels/masked_max/masked_max.h"

#include "kernels/masked_mean/masked_strip_cpu.h"

#include <math.h>

/* NaN, which is not equal to itself, wins. */
static inline tern_vf larger(tern_vf best, tern_vf x)
{
    return tern_select((x > best) | (x != x), x, best); // NOLINT(misc-redundant-expression)
}

/* The largest values of the strip, 0 if no step is valid. */
static void largest_of(const masked_strip *strip, const float *x, float *best)
{
    tern_vf start = tern_splat(strip->valid ? -INFINITY : 0);
    if (strip->columns == COLUMNS) {
        tern_vf whole[STRIP] = { start, start, start, start };
        for (int64_t t = 0; t < strip->steps; t++)
            for (int i = 0; i < STRIP && strip_step_is_valid(strip, t); i++)
                whole[i] = larger(whole[i], tern_load(x + t * strip->dim + i * TERN_LANES));
        for (int i = 0; i < STRIP; i++)
            tern_store(best + i * TERN_LANES, whole[i]);
        return;
    }
    for (int64_t d = 0; d < strip->columns; d += TERN_LANES) {
        int64_t lanes = strip->columns - d;
        tern_vf part = start;
        for (int64_t t = 0; t < strip->steps; t++)
            if (strip_step_is_valid(strip, t))
                part = larger(part, tern_load_part(x + t * strip->dim + d, lanes));
        tern_store_part(best + d, part, lanes);
    }
}

static void max_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    masked_strip strip = masked_strip_of_tile(call, tile);
    (void)worker;
    largest_of(&strip, (const float *)call->in[0]->data + strip.x,
               (float *)call->out[0]->data + strip.y);
}

static void grad_tile(void *argument, int64_t tile, int worker)
{
    const tern_call *call = argument;
    masked_strip strip = masked_strip_of_tile(call, tile);
    const float *x = (const float *)call->in[0]->data + strip.x;
    const float *grad_y = (const float *)call->grad_out[0]->data + strip.y;
    float *grad_x = (float *)call->grad_in[0]->data + strip.x;
    float best[COLUMNS], equals[COLUMNS] = { 0 };

    (void)worker;
    largest_of(&strip, x, best);
    for (int64_t t = 0; t < strip.steps; t++)
        for (int64_t d = 0; d < strip.columns && strip_step_is_valid(&strip, t); d++)
            equals[d] += x[t * strip.dim + d] == best[d];
    for (int64_t t = 0; t < strip.steps; t++) {
        const float *step = x + t * strip.dim;
        float *restrict row = grad_x + t * strip.dim;
        if (!call->accumulate[0])
            memset(row, 0, (size_t)strip.columns * sizeof *row);
        for (int64_t d = 0; d < strip.columns && strip_step_is_valid(&strip, t); d++)
            row[d] += (step[d] == best[d] ? grad_y[d] : 0) / equals[d];
    }
}

static void masked_max_forward(tern_call *call)
{
    masked_strips_run(call, max_tile);
}

static void masked_max_backward(tern_call *call)
{
    masked_strips_run(call, grad_tile);
}

const tern_impl TERN_LEVEL(tern_masked_max_cpu) = {
    .op = "masked_max", .backend = "cpu", .provider = "hand",
    .forward = masked_max_forward, .backward = masked_max_backward,
};
