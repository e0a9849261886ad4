/* Arithmetic on two tensors, element by element, broadcasting as in NumPy.
 *
 *            y              gradient of a          gradient of b
 *   add      a + b          g                      g
 *   sub      a - b          g                      -g
 *   mul      a * b          g * b                  g * a
 *   div      a / b          g / b                  -g * (a / b) / b
 *   pow      a ^ b          g * b * a^(b-1)        g * y * log(a)
 *
 *   a, b   up to six axes, aligned at the last; an extent of 1 is repeated
 *   -> y   the broadcast shape: [8,1,6,1] with [7,1,5] gives [8,7,6,5]
 *
 * g is the gradient of y. The gradient of a repeated input is summed over the axes it
 * was repeated on. Zeros, infinities and NaN go as in IEEE arithmetic and C's pow:
 * x/0 is an infinity, 0/0 NaN, a negative number to a power that is no integer NaN.
 * pow's gradients are 0 where the formula would be 0 times an infinity (as in
 * PyTorch): of a where b = 0, of b where a = 0 and b >= 0.
 *
 * Cost: one FLOP per element of y, bound by memory traffic; pow 40.
 * Errors: TERN_ERR_SHAPE if two extents differ and neither is 1.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_BINARY_H
#define TERN_KERNELS_ELEMENTWISE_BINARY_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_add, tern_op_sub, tern_op_mul, tern_op_div, tern_op_pow;

tern_tensor *tern_add(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);
tern_tensor *tern_sub(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);
tern_tensor *tern_mul(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);
tern_tensor *tern_div(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);
tern_tensor *tern_pow(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);

#endif
