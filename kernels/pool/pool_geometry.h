/* The extents of a pooling, and which windows and pixels meet. */
#ifndef TERN_KERNELS_POOL_GEOMETRY_H
#define TERN_KERNELS_POOL_GEOMETRY_H

#include "kernels/pool/pool.h"

/* One axis of the image, rows or columns. */
typedef struct pool_axis {
    int64_t size, out_size;
    int64_t window, stride, pad;
} pool_axis;

typedef struct pool_geometry {
    int64_t images, channels;
    pool_axis rows, columns;
} pool_geometry;

/* From `from` up to, not including, `to`. */
typedef struct pool_range {
    int64_t from, to;
} pool_range;

static inline pool_axis pool_axis_of(int64_t size, int64_t window, int64_t stride, int64_t pad)
{
    pool_axis axis = { .size = size, .window = window ? window : size, .pad = pad };
    axis.stride = stride ? stride : axis.window;
    axis.out_size = (size + 2 * pad - axis.window) / axis.stride + 1;
    return axis;
}

static inline pool_geometry pool_geometry_of(const tern_tensor *x, const int64_t *window,
                                             const int64_t *stride, const int64_t *pad)
{
    pool_geometry g = { .images = x->shape[0], .channels = x->shape[3] };
    g.rows = pool_axis_of(x->shape[1], window[0], stride[0], pad[0]);
    g.columns = pool_axis_of(x->shape[2], window[1], stride[1], pad[1]);
    return g;
}

static inline pool_geometry max_pool2d_geometry(const tern_call *call)
{
    const tern_max_pool2d_opts *opts = call->options;
    return pool_geometry_of(call->in[0], opts->window, opts->stride, opts->pad);
}

static inline pool_geometry avg_pool2d_geometry(const tern_call *call)
{
    static const int64_t no_pad[2] = { 0, 0 };
    const tern_avg_pool2d_opts *opts = call->options;
    return pool_geometry_of(call->in[0], opts->window, opts->stride, no_pad);
}

static inline pool_geometry global_avg_pool_geometry(const tern_call *call)
{
    static const int64_t whole[2] = { 0, 0 };
    return pool_geometry_of(call->in[0], whole, whole, whole);
}

/* The part of the image that window number `out` covers. */
static inline pool_range pool_covered(const pool_axis *axis, int64_t out)
{
    int64_t first = out * axis->stride - axis->pad, end = first + axis->window;
    return (pool_range){ first < 0 ? 0 : first, end > axis->size ? axis->size : end };
}

/* The windows that cover the place `at`; none if from >= to. */
static inline pool_range pool_covering(const pool_axis *axis, int64_t at)
{
    int64_t padded = at + axis->pad, end = padded / axis->stride + 1;
    int64_t first = padded < axis->window ? 0 : (padded - axis->window) / axis->stride + 1;
    return (pool_range){ first, end > axis->out_size ? axis->out_size : end };
}

#endif
