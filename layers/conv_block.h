/* Convolution, normalisation, activation, and pooling where asked for.
 *
 *   x [N,H,W,C] -> conv k x k -> norm -> activation -> pool -> y [N,H',W',O]
 *
 * State as nn.Sequential(Conv2d, BatchNorm2d, ReLU, MaxPool2d) has it: 0.weight
 * (PyTorch's [O,C,kh,kw] on file) and 1.{weight, bias, running_mean, running_var}, or
 * what another norm has under 1.  The convolution has a bias, 0.bias, only without a norm,
 * which would take it away again.
 * Errors: TERN_ERR_SHAPE as of the ops, or if the mask does not fit: see
 * layers/channel_norm.h.
 */
#ifndef TERN_LAYERS_CONV_BLOCK_H
#define TERN_LAYERS_CONV_BLOCK_H

#include "layers/channel_norm.h"
#include "layers/conv2d.h"

typedef struct tern_conv_block_opts {
    int64_t kernel;             /* default 3; padded so that stride 1 keeps odd sizes   */
    int64_t stride;             /* default 1                                            */
    int64_t groups;             /* of the convolution; default 1                        */
    tern_norm_kind norm;        /* default batch norm                                   */
    int64_t norm_groups;        /* of group norm; default 1                             */
    tern_activation activation; /* default ReLU                                         */
    bool no_activation;
    int64_t pool[2];            /* window and stride of pooling; 0 or 1: none           */
    bool average_pool;          /* the mean of each window instead of its maximum       */
    tern_init init;             /* of the convolution's weight                          */
} tern_conv_block_opts;

typedef struct tern_conv_block {
    const char *name;
    tern_conv2d_layer conv;
    tern_channel_norm norm;
    tern_conv_block_opts opts;
} tern_conv_block;

tern_conv_block tern_conv_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t outputs, tern_conv_block_opts opts);
/* mask: rows or steps of the convolution's output that count, over its first axes, or
 * NULL for all; the others are zero before the pooling. */
tern_tensor *tern_conv_block_forward(tern_ctx *ctx, const tern_conv_block *block, tern_tensor *x,
                                     tern_tensor *mask);

/* Size of an axis after the convolution and after the pooling of that axis. */
int64_t tern_conv_block_conv_size(const tern_conv_block_opts *opts, int64_t size);
int64_t tern_conv_block_pool_size(const tern_conv_block_opts *opts, int axis, int64_t size);

#endif
