/* Softmax over the last axis, optionally over its valid elements only.
 *
 *   y[r,d] = mask[r,d] exp(x[r,d] - m[r]) / sum_j mask[r,j] exp(x[r,j] - m[r])
 *   m[r]   = max of the valid x[r,:], so that no exp overflows
 *
 *   x      [..., D]
 *   mask   [..., D]  u8, 1 = valid, or NULL when all are valid
 *   -> y   [..., D]  0 where the mask is 0; a row without a valid element is all
 *                    zeros and passes a gradient of zeros
 *
 * Backward reads y only. Cost: 5 FLOPs per element, exp counted as one.
 * Errors: TERN_ERR_SHAPE if x is a scalar or mask's shape differs from x's.
 */
#ifndef TERN_KERNELS_SOFTMAX_H
#define TERN_KERNELS_SOFTMAX_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_softmax;

tern_tensor *tern_softmax(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

#endif
