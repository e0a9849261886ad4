/* Convolution, batch norm, ReLU, and max pooling where asked for.
 *
 *   x [N,H,W,C] -> conv k x k, no bias -> batch norm -> ReLU -> max pool -> y [N,H',W',O]
 *
 * State: 0.weight (PyTorch's [O,C,kh,kw] on file) and 1.{weight, bias, running_mean,
 * running_var}, as nn.Sequential(Conv2d, BatchNorm2d, ReLU, MaxPool2d) has them.
 * The bias is left out because batch norm takes it away again.
 */
#ifndef TERN_LAYERS_CONV_BLOCK_H
#define TERN_LAYERS_CONV_BLOCK_H

#include "layers/norm.h"

typedef struct tern_conv_block_opts {
    int64_t kernel;    /* default 3; padded so that stride 1 keeps the size */
    int64_t stride;    /* default 1                                         */
    int64_t pool[2];   /* window and stride of max pooling; 0 or 1: none    */
} tern_conv_block_opts;

typedef struct tern_conv_block {
    const char *name;
    tern_tensor *weight;
    tern_batch_norm_layer norm;
    tern_conv_block_opts opts;
} tern_conv_block;

tern_conv_block tern_conv_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t outputs, tern_conv_block_opts opts);
/* mask: rows or steps of the convolution's output that count (see batch_norm.h), or
 * NULL for all. */
tern_tensor *tern_conv_block_forward(tern_ctx *ctx, const tern_conv_block *block, tern_tensor *x,
                                     tern_tensor *mask);

/* Size of an axis after the convolution and after the pooling of that axis. */
int64_t tern_conv_block_conv_size(const tern_conv_block_opts *opts, int64_t size);
int64_t tern_conv_block_pool_size(const tern_conv_block_opts *opts, int axis, int64_t size);

#endif
