/* Losses that compare two tensors element by element.
 *
 * With d = x - target, and softplus(x) = log(1 + exp(x)):
 *
 *   mse              term = weight * d^2
 *   l1               term = weight * |d|                    slope at 0: 0
 *   huber            term = weight * d^2 / 2                where |d| <= delta
 *                           weight * delta (|d| - delta/2)  elsewhere
 *                    (Huber 1964, Robust Estimation of a Location Parameter)
 *   bce_with_logits  term = weight * (pos_weight * target * softplus(-x)
 *                                     + (1 - target) * softplus(x))
 *                    binary cross-entropy of target against sigmoid(x)
 *
 *   x           [...]  predictions; for bce_with_logits before the sigmoid
 *   target      [...]  the same shape; for bce_with_logits 0 to 1; differentiable too
 *   weight      [...]  the same shape, or NULL for ones
 *   pos_weight  [C]    C the last axis of x, or NULL for ones: above 1 it makes missed
 *                      positives dearer
 *   -> loss     []     or [...] for reduction none
 *
 * The mean divides by the sum of the weights in mse and l1, but by the number of elements
 * in huber and bce_with_logits, as PyTorch's do.  Where that is 0 the loss is 0.
 * Saved for backward: what the mean divides by.
 * Cost: 4 FLOPs per element, bce_with_logits 12.
 * Errors: TERN_ERR_SHAPE if shapes differ; TERN_ERR_OPTION unless delta > 0.
 */
#ifndef TERN_KERNELS_LOSSES_POINTWISE_H
#define TERN_KERNELS_LOSSES_POINTWISE_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/losses/reduction.h"

typedef struct tern_loss_opts {
    int reduction; /* tern_reduction; default mean */
    double delta;  /* huber: where the parabola becomes a line; default 1; others: 0 */
} tern_loss_opts;

extern const tern_op tern_op_mse, tern_op_l1, tern_op_huber, tern_op_bce_with_logits;

/* The ops' inputs; only bce_with_logits has the last. */
enum { LOSS_X, LOSS_TARGET, LOSS_WEIGHT, LOSS_POS_WEIGHT };

/* Which of them a shared kernel computes; a constant where it is inlined. */
typedef enum tern_pointwise { POINTWISE_MSE, POINTWISE_L1, POINTWISE_HUBER, POINTWISE_BCE }
    tern_pointwise;

/* What the mean divides by; for backends. */
static inline bool tern_pointwise_divides_by_weights(tern_pointwise kind)
{
    return kind == POINTWISE_MSE || kind == POINTWISE_L1;
}

tern_tensor *tern_mse(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                      tern_loss_opts opts);
tern_tensor *tern_l1(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                     tern_loss_opts opts);
tern_tensor *tern_huber(tern_ctx *ctx, tern_tensor *x, tern_tensor *target, tern_tensor *weight,
                        tern_loss_opts opts);
tern_tensor *tern_bce_with_logits(tern_ctx *ctx, tern_tensor *x, tern_tensor *target,
                                  tern_tensor *weight, tern_tensor *pos_weight,
                                  tern_loss_opts opts);

#endif
