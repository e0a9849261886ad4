/* The extents of a pooling, and which windows and pixels meet. */
#ifndef TERN_KERNELS_POOL_GEOMETRY_H
#define TERN_KERNELS_POOL_GEOMETRY_H

#include "kernels/pool/pool.h"

/* Of the contracts: the shape rule of all ops whose y is [N,Ho,Wo,C], and the cost of all. */
void tern_pool_shape(tern_call *call);
void tern_pool_cost(const tern_call *call, tern_cost *forward, tern_cost *backward);

/* One axis of the image, rows or columns. */
typedef struct pool_axis {
    int64_t size, out_size;
    int64_t window, stride, pad; /* the window is the longest of an adaptive axis */
    bool adaptive;               /* windows as even as can be; no stride, no pad   */
} pool_axis;

typedef struct pool_geometry {
    int64_t images, channels;
    pool_axis rows, columns;
    bool exclude_pad; /* averages: the padding does not count */
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

static inline pool_geometry pool_windows_geometry(const tern_tensor *x, const int64_t *window,
                                                  const int64_t *stride, const int64_t *pad)
{
    pool_geometry g = { .images = x->shape[0], .channels = x->shape[3] };
    g.rows = pool_axis_of(x->shape[1], window[0], stride[0], pad[0]);
    g.columns = pool_axis_of(x->shape[2], window[1], stride[1], pad[1]);
    return g;
}

/* floor(i * to / from) and ceil(i * to / from); no overflow, as an axis has at most
 * INT32_MAX places. */
static inline int64_t pool_scale_down(int64_t i, int64_t to, int64_t from)
{
    return i * to / from;
}

static inline int64_t pool_scale_up(int64_t i, int64_t to, int64_t from)
{
    return (i * to + from - 1) / from;
}

/* Window i of an adaptive axis covers floor(i * size / out_size) up to
 * ceil((i + 1) * size / out_size): windows overlap by one where it does not go even. */
static inline pool_axis pool_adaptive_axis(int64_t size, int64_t out_size)
{
    pool_axis axis = { .size = size, .out_size = out_size ? out_size : size, .adaptive = true };
    for (int64_t out = 0; out < axis.out_size; out++) {
        int64_t length = pool_scale_up(out + 1, size, axis.out_size) -
                         pool_scale_down(out, size, axis.out_size);
        axis.window = length > axis.window ? length : axis.window;
    }
    return axis;
}

static inline pool_geometry pool_adaptive_geometry(const tern_tensor *x, const int64_t *size)
{
    return (pool_geometry){ .images = x->shape[0], .channels = x->shape[3], .exclude_pad = true,
                            .rows = pool_adaptive_axis(x->shape[1], size[0]),
                            .columns = pool_adaptive_axis(x->shape[2], size[1]) };
}

/* Of a call of any pooling op. */
static inline pool_geometry pool_geometry_of(const tern_call *call)
{
    static const int64_t whole[2] = { 0, 0 };
    const tern_tensor *x = call->in[0];

    if (call->op == &tern_op_max_pool2d) {
        const tern_max_pool2d_opts *opts = call->options;
        return pool_windows_geometry(x, opts->window, opts->stride, opts->pad);
    }
    if (call->op == &tern_op_avg_pool2d) {
        const tern_avg_pool2d_opts *opts = call->options;
        pool_geometry g = pool_windows_geometry(x, opts->window, opts->stride, opts->pad);
        g.exclude_pad = opts->exclude_pad;
        return g;
    }
    if (call->op == &tern_op_global_avg_pool)
        return pool_windows_geometry(x, whole, whole, whole);
    return pool_adaptive_geometry(x, ((const tern_adaptive_pool2d_opts *)call->options)->size);
}

/* The part of the image that window number `out` covers. */
static inline pool_range pool_covered(const pool_axis *axis, int64_t out)
{
    if (axis->adaptive)
        return (pool_range){ pool_scale_down(out, axis->size, axis->out_size),
                             pool_scale_up(out + 1, axis->size, axis->out_size) };
    int64_t first = out * axis->stride - axis->pad, end = first + axis->window;
    return (pool_range){ first < 0 ? 0 : first, end > axis->size ? axis->size : end };
}

/* The windows that cover the place `at`; none if from >= to. */
static inline pool_range pool_covering(const pool_axis *axis, int64_t at)
{
    if (axis->adaptive)
        return (pool_range){ pool_scale_down(at, axis->out_size, axis->size),
                             pool_scale_up(at + 1, axis->out_size, axis->size) };
    int64_t padded = at + axis->pad, end = padded / axis->stride + 1;
    int64_t first = padded < axis->window ? 0 : (padded - axis->window) / axis->stride + 1;
    return (pool_range){ first, end > axis->out_size ? axis->out_size : end };
}

/* What the sum over a window is divided by. */
static inline int64_t pool_divisor(const pool_geometry *g, pool_range rows, pool_range columns)
{
    if (g->exclude_pad)
        return (rows.to - rows.from) * (columns.to - columns.from);
    return g->rows.window * g->columns.window;
}

#endif
