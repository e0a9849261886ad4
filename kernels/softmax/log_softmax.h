/* Logarithm of the softmax over the last axis, optionally over its valid elements only.
 *
 *   y[r,d] = x[r,d] - m[r] - log( sum_j mask[r,j] exp(x[r,j] - m[r]) )   where valid
 *   m[r]   = max of the valid x[r,:], so that no exp overflows
 *
 *   x      [..., D]
 *   mask   [..., D]  u8, 1 = valid, or NULL when all are valid
 *   -> y   [..., D]  0 where the mask is 0, not -inf, so that sums of y times anything
 *                    stay numbers; no gradient passes there
 *
 * Never log(0): a y that is very negative is as exact as any other.
 * Backward reads y and the mask. Cost: 5 FLOPs per element, exp and log counted as one.
 * Errors: TERN_ERR_SHAPE if x is a scalar or mask's shape differs from x's.
 */
#ifndef TERN_KERNELS_SOFTMAX_LOG_SOFTMAX_H
#define TERN_KERNELS_SOFTMAX_LOG_SOFTMAX_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_log_softmax;

tern_tensor *tern_log_softmax(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

#endif
