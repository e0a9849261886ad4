/* Where the rows, or columns, of a resized image come from; for the backends. */
#ifndef TERN_KERNELS_RESIZE_AXIS_H
#define TERN_KERNELS_RESIZE_AXIS_H

#include "core/op.h"

#include <math.h>

/* y = (1 - part) * x[low] + part * x[high]; high is low + 1, or low at the end. */
typedef struct resize_source {
    int64_t low, high;
    double part;
} resize_source;

/* The nearest of `size` places to place `at` of `out_size`.  In float32, as PyTorch. */
static inline int64_t resize_nearest_place(int64_t at, int64_t size, int64_t out_size)
{
    int64_t place = (int64_t)floorf((float)at * ((float)size / (float)out_size));
    return place < size ? place : size - 1;
}

static inline resize_source resize_bilinear_source(int64_t at, int64_t size, int64_t out_size,
                                                   bool align_corners)
{
    double place = ((double)at + 0.5) * (double)size / (double)out_size - 0.5;
    if (align_corners)
        place = out_size > 1 ? (double)at * (double)(size - 1) / (double)(out_size - 1) : 0;
    if (place < 0)
        place = 0;
    int64_t low = (int64_t)place < size ? (int64_t)place : size - 1;
    return (resize_source){ low, low + 1 < size ? low + 1 : low, place - (double)low };
}

#endif
