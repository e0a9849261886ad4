/* Loading a row of which a mask says what is valid, for *_cpu.c files. */
#ifndef TERN_KERNELS_SOFTMAX_VALID_LANES_H
#define TERN_KERNELS_SOFTMAX_VALID_LANES_H

#include "core/simd.h"

#include <math.h>
#include <stdbool.h>

/* All bits set in the lanes whose byte is not 0; none beyond the n that are left.  A
 * loop over lanes becomes one widening instruction, a conversion of vectors does not. */
static inline tern_vi valid_lanes(const uint8_t *mask, int64_t n)
{
    int32_t lanes[TERN_LANES] = { 0 };
    tern_vi valid;
    if (n >= TERN_LANES)
        for (int lane = 0; lane < TERN_LANES; lane++)
            lanes[lane] = mask[lane] ? -1 : 0;
    else
        for (int lane = 0; lane < n; lane++)
            lanes[lane] = mask[lane] ? -1 : 0;
    memcpy(&valid, lanes, sizeof valid);
    return valid;
}

/* The next elements of a row of which n are left; -inf where not valid or beyond. */
static inline tern_vf load_valid(const float *x, const uint8_t *mask, int64_t n)
{
    tern_vf v = tern_load_part_or(x, n, -INFINITY);
    return mask ? tern_select(valid_lanes(mask, n), v, tern_splat(-INFINITY)) : v;
}

static inline bool has_valid(const uint8_t *mask, int64_t width)
{
    for (int64_t i = 0; i < width; i++)
        if (mask[i])
            return true;
    return false;
}

#endif
