/* A tile of masked_mean and masked_max on cpu: one sequence and a strip of COLUMNS of its
 * features, whose sums or maxima stay in registers while the steps go by. */
#ifndef TERN_KERNELS_MASKED_STRIP_CPU_H
#define TERN_KERNELS_MASKED_STRIP_CPU_H

#include "core/context.h"
#include "core/op.h"
#include "core/simd.h"
#include "core/threads.h"

enum { STRIP = 4, COLUMNS = STRIP * TERN_LANES };

typedef struct masked_strip {
    const uint8_t *mask; /* [steps] or NULL                    */
    int64_t steps, dim;  /* T, D                               */
    int64_t columns;     /* of the strip: COLUMNS, or the rest */
    int64_t valid;       /* steps                              */
    int64_t x, y;        /* places of its first column         */
} masked_strip;

static inline bool strip_step_is_valid(const masked_strip *strip, int64_t t)
{
    return !strip->mask || strip->mask[t];
}

static inline masked_strip masked_strip_of_tile(const tern_call *call, int64_t tile)
{
    const tern_tensor *x = call->in[0];
    int64_t steps = x->shape[1], dim = x->shape[2], strips = (dim + COLUMNS - 1) / COLUMNS;
    int64_t n = tile / strips, from = tile % strips * COLUMNS;
    masked_strip strip = { .steps = steps, .dim = dim, .x = n * steps * dim + from,
                           .y = n * dim + from };

    if (call->in[1])
        strip.mask = (const uint8_t *)call->in[1]->data + n * steps;
    for (int64_t t = 0; t < steps; t++)
        strip.valid += strip_step_is_valid(&strip, t);
    strip.columns = dim - from < COLUMNS ? dim - from : COLUMNS;
    return strip;
}

static inline void masked_strips_run(tern_call *call, tern_tile_fn tile)
{
    const tern_tensor *x = call->in[0];
    int64_t tiles = x->shape[0] * ((x->shape[2] + COLUMNS - 1) / COLUMNS);
    tern_parallel(tern_ctx_pool(call->ctx), tiles, tile, call);
}

#endif
