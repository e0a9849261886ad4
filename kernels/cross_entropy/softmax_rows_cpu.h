/* What the losses on class scores need of a row's softmax: its maximum and the sum
 * of its exponentials. */
#ifndef TERN_KERNELS_CROSS_ENTROPY_SOFTMAX_ROWS_CPU_H
#define TERN_KERNELS_CROSS_ENTROPY_SOFTMAX_ROWS_CPU_H

#include "core/vmath.h"

#include <math.h>

static inline float tern_row_maximum(const float *x, int64_t width)
{
    tern_vf largest = tern_splat(-INFINITY);
    for (int64_t i = 0; i < width; i += TERN_LANES)
        largest = tern_vmax(tern_load_part_or(x + i, width - i, -INFINITY), largest);
    return tern_hmax(largest);
}

/* sum of exp(x - shift) */
static inline float tern_row_exponentials(const float *x, int64_t width, float shift)
{
    tern_vf sum = { 0 };
    for (int64_t i = 0; i < width; i += TERN_LANES)
        sum += tern_vexp(tern_load_part_or(x + i, width - i, -INFINITY) - shift);
    return tern_hsum(sum);
}

#endif
