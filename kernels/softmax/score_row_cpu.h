/* One row of scores on cpu, and what its softmax needs: the maximum and the sum of the
 * exponentials.  mask says what is valid; NULL: everything. */
#ifndef TERN_KERNELS_SOFTMAX_SCORE_ROW_CPU_H
#define TERN_KERNELS_SOFTMAX_SCORE_ROW_CPU_H

#include "core/vmath.h"

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

/* The mask from element i on; NULL where there is none. */
static inline const uint8_t *mask_at(const uint8_t *mask, int64_t i)
{
    return mask ? mask + i : NULL;
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

static inline float tern_row_maximum(const float *x, const uint8_t *mask, int64_t width)
{
    tern_vf largest = tern_splat(-INFINITY);
    for (int64_t i = 0; i < width; i += TERN_LANES)
        largest = tern_vmax(load_valid(x + i, mask_at(mask, i), width - i), largest);
    return tern_hmax(largest);
}

/* sum of exp(x - shift) */
static inline float tern_row_exponentials(const float *x, const uint8_t *mask, int64_t width,
                                          float shift)
{
    tern_vf sum = { 0 };
    for (int64_t i = 0; i < width; i += TERN_LANES)
        sum += tern_vexp(load_valid(x + i, mask_at(mask, i), width - i) - shift);
    return tern_hsum(sum);
}

#endif
