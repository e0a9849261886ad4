/* Activations as ops of their own; linear and conv2d can apply the same ones to
 * their result for less memory traffic.
 *
 *   relu     y = max(x, 0)                 slope 0 at 0; NaN stays NaN
 *   gelu     y = x * Phi(x)                exact, by erf (arXiv:1606.08415)
 *   sigmoid  y = 1 / (1 + exp(-x))
 *   tanh     y = (exp(2x) - 1) / (exp(2x) + 1)
 *
 *   x      any shape
 *   -> y   the same
 *
 * Backward reads x for gelu and y for the others.  Error bounds of the float32
 * functions stand in core/smath.h.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_UNARY_H
#define TERN_KERNELS_ELEMENTWISE_UNARY_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_relu, tern_op_gelu, tern_op_sigmoid, tern_op_tanh;

tern_tensor *tern_relu(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_gelu(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_sigmoid(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_tanh(tern_ctx *ctx, tern_tensor *x);

#endif
