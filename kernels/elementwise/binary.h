/* Sum and product of two tensors, element by element, broadcasting as in NumPy.
 *
 *   add   y = a + b
 *   mul   y = a * b
 *
 *   a, b   up to six axes, aligned at the last; an extent of 1 is repeated
 *   -> y   the broadcast shape: [8,1,6,1] with [7,1,5] gives [8,7,6,5]
 *
 * The gradient of a repeated input is summed over the axes it was repeated on.
 * Cost: one FLOP per element of y; bound by memory traffic.
 * Errors: TERN_ERR_SHAPE if two extents differ and neither is 1.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_BINARY_H
#define TERN_KERNELS_ELEMENTWISE_BINARY_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_add, tern_op_mul;

tern_tensor *tern_add(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);
tern_tensor *tern_mul(tern_ctx *ctx, tern_tensor *a, tern_tensor *b);

#endif
