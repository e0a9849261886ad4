/* 1-D convolution over time with its parameters: y = act(conv1d(x, W) + b).
 *
 *   x [N,T,inputs] -> y [N,To,outputs], see kernels/conv2d/conv1d.h
 *
 * State as nn.Conv1d: weight, in memory [O,k,I/groups] and on file [O,I/groups,k],
 * and bias [O].
 * Errors: TERN_ERR_SHAPE as of the op.
 */
#ifndef TERN_LAYERS_CONV1D_H
#define TERN_LAYERS_CONV1D_H

#include "core/params.h"
#include "kernels/conv2d/conv1d.h"

typedef struct tern_conv1d_layer_opts {
    int64_t kernel;   /* steps; default 3                                    */
    int64_t stride;   /* default 1                                           */
    int64_t pad;      /* zero steps before and after                         */
    int64_t dilation; /* default 1                                           */
    int64_t groups;   /* default 1; divides inputs and outputs               */
    int activation;   /* tern_activation; default none                       */
    bool no_bias;
    tern_init init;   /* of the weight; default uniform, 1/sqrt(fan_in)      */
} tern_conv1d_layer_opts;

typedef struct tern_conv1d_layer {
    const char *name;
    tern_tensor *weight, *bias; /* bias is NULL if there is none */
    tern_conv1d_opts opts;
} tern_conv1d_layer;

tern_conv1d_layer tern_conv1d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_conv1d_layer_opts opts);
tern_tensor *tern_conv1d_layer_forward(tern_ctx *ctx, const tern_conv1d_layer *layer,
                                       tern_tensor *x);

#endif
