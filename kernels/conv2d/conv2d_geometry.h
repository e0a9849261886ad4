/* The extents of one convolution, read from a call once so that loops are short. */
#ifndef TERN_KERNELS_CONV2D_GEOMETRY_H
#define TERN_KERNELS_CONV2D_GEOMETRY_H

#include "kernels/conv2d/conv2d.h"

typedef struct conv2d_geometry {
    int64_t images, rows, columns, inputs; /* x [N,H,W,I]       */
    int64_t out_rows, out_columns, outputs; /* y [N,Ho,Wo,O]    */
    int64_t kernel_rows, kernel_columns;
    int64_t row_stride, column_stride;
    int64_t row_pad, column_pad;
    int64_t row_dilation, column_dilation;
    int64_t groups, group_inputs, group_outputs; /* weight [O,kh,kw,group_inputs] */
} conv2d_geometry;

/* Pixels from a kernel's first element to its last, both counted. */
static inline int64_t conv2d_span(int64_t kernel, int64_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* Of conv2d, or of conv1d: steps are then rows, and there is one column. */
static inline conv2d_geometry conv2d_geometry_of(const tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const int64_t *x = call->in[0]->shape, *weight = call->in[1]->shape;
    bool has_columns = call->in[0]->rank == 4;
    conv2d_geometry g = {
        .images = x[0], .rows = x[1], .columns = has_columns ? x[2] : 1,
        .inputs = x[has_columns ? 3 : 2],
        .outputs = weight[0], .kernel_rows = weight[1],
        .kernel_columns = has_columns ? weight[2] : 1,
        .row_stride = opts->stride[0], .column_stride = has_columns ? opts->stride[1] : 1,
        .row_pad = opts->pad[0], .column_pad = has_columns ? opts->pad[1] : 0,
        .row_dilation = opts->dilation[0], .column_dilation = has_columns ? opts->dilation[1] : 1,
        .groups = opts->groups, .group_outputs = weight[0] / opts->groups,
    };
    g.group_inputs = g.inputs / g.groups;
    int64_t row_room = g.rows + 2 * g.row_pad - conv2d_span(g.kernel_rows, g.row_dilation);
    int64_t column_room =
        g.columns + 2 * g.column_pad - conv2d_span(g.kernel_columns, g.column_dilation);
    g.out_rows = row_room / g.row_stride + 1;
    g.out_columns = column_room / g.column_stride + 1;
    return g;
}

/* The shape rule and the cost of both. */
void tern_conv2d_shape(tern_call *call);
void tern_conv2d_cost(const tern_call *call, tern_cost *forward, tern_cost *backward);

#endif
