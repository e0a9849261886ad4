/* 2-D convolution with its parameters: y = act(conv2d(x, W) + b).
 *
 *   x [N,H,W,inputs] -> y [N,Ho,Wo,outputs], see kernels/conv2d/conv2d.h
 *
 * State as nn.Conv2d: weight, in memory [O,kh,kw,I/groups] and on file [O,I/groups,kh,kw],
 * and bias [O].
 * Errors: TERN_ERR_SHAPE as of the op.
 */
#ifndef TERN_LAYERS_CONV2D_H
#define TERN_LAYERS_CONV2D_H

#include "core/params.h"
#include "kernels/conv2d/conv2d.h"

typedef struct tern_conv2d_layer_opts {
    int64_t kernel[2];   /* rows, columns; default 3                            */
    int64_t stride[2];   /* default 1                                           */
    int64_t pad[2];      /* zero rows above and below, columns left and right   */
    int64_t dilation[2]; /* default 1                                           */
    int64_t groups;      /* default 1; divides inputs and outputs               */
    int activation;      /* tern_activation; default none                       */
    bool no_bias;
    tern_init init;      /* of the weight; default uniform, 1/sqrt(fan_in)      */
} tern_conv2d_layer_opts;

typedef struct tern_conv2d_layer {
    const char *name;
    tern_tensor *weight, *bias; /* bias is NULL if there is none */
    tern_conv2d_opts opts;
} tern_conv2d_layer;

tern_conv2d_layer tern_conv2d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_conv2d_layer_opts opts);
tern_tensor *tern_conv2d_layer_forward(tern_ctx *ctx, const tern_conv2d_layer *layer,
                                       tern_tensor *x);

#endif
