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

static inline conv2d_geometry conv2d_geometry_of(const tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const int64_t *x = call->in[0]->shape, *weight = call->in[1]->shape;
    conv2d_geometry g = {
        .images = x[0], .rows = x[1], .columns = x[2], .inputs = x[3],
        .outputs = weight[0], .kernel_rows = weight[1], .kernel_columns = weight[2],
        .row_stride = opts->stride[0], .column_stride = opts->stride[1],
        .row_pad = opts->pad[0], .column_pad = opts->pad[1],
        .row_dilation = opts->dilation[0], .column_dilation = opts->dilation[1],
        .groups = opts->groups, .group_inputs = x[3] / opts->groups,
        .group_outputs = weight[0] / opts->groups,
    };
    int64_t row_room = g.rows + 2 * g.row_pad - conv2d_span(g.kernel_rows, g.row_dilation);
    int64_t column_room =
        g.columns + 2 * g.column_pad - conv2d_span(g.kernel_columns, g.column_dilation);
    g.out_rows = row_room / g.row_stride + 1;
    g.out_columns = column_room / g.column_stride + 1;
    return g;
}

#endif
