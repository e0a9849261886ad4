/* Linear (fully connected) layer with a fused bias and activation.
 *
 *   y[r,o] = act( sum_i x[r,i] * weight[o,i] + bias[o] )
 *
 *   x       [..., I]  the leading axes are rows
 *   weight  [O, I]    PyTorch's layout
 *   bias    [O]       or NULL for zeros
 *   -> y    [..., O]
 *
 * Cost: 2 * rows * I * O FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if weight's I differs from x's or bias is not [O].
 */
#ifndef TERN_KERNELS_LINEAR_H
#define TERN_KERNELS_LINEAR_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_linear_opts {
    int activation; /* tern_activation; default none */
} tern_linear_opts;

extern const tern_op tern_op_linear;

tern_tensor *tern_linear(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_linear_opts opts);

#endif
