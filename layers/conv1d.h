/* 1-D convolution over time with its parameters: act(conv1d(x, W) + b).
 *
 *   x [N,T,inputs] -> y [N,To,outputs], see kernels/conv2d/conv1d.h
 *
 * State as nn.Conv1d: weight, in memory [O,k,I/groups] and on file [O,I/groups,k],
 * and bias [O].
 */
#ifndef TERN_LAYERS_CONV1D_H
#define TERN_LAYERS_CONV1D_H

#include "kernels/conv2d/conv1d.h"

typedef struct tern_conv1d_layer {
    const char *name;
    tern_tensor *weight, *bias;
    tern_conv1d_opts opts;
} tern_conv1d_layer;

tern_conv1d_layer tern_conv1d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, int64_t kernel,
                                            tern_conv1d_opts opts);
tern_tensor *tern_conv1d_layer_forward(tern_ctx *ctx, const tern_conv1d_layer *layer,
                                       tern_tensor *x);

#endif
