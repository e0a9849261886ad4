/* Cross-entropy of class scores against class numbers, averaged by weight.
 *
 *   p[i,:]  = softmax(logits[i,:]),  t = target[i],  e = label_smoothing
 *   term[i] = (1-e) * class_weight[t] * -log p[i,t]
 *             + e/C * sum_c class_weight[c] * -log p[i,c]
 *   loss    = sum_i row_weight[i] * term[i] / sum_i row_weight[i] * class_weight[t]
 *
 *   logits        [N, C]
 *   target        [N]  i32, 0 to C-1
 *   class_weight  [C]  or NULL for ones
 *   row_weight    [N]  or NULL for ones; a row of weight 0 is padding: neither its
 *                      logits nor its target are looked at, its gradient is zero
 *   -> loss       []
 *
 * With row_weight all ones this is PyTorch's cross_entropy with reduction 'mean'.
 * If the weights sum to 0 the loss is 0 and so is its gradient, never NaN.
 * Saved for backward: maximum and 1/sum of exponentials of each row, sum of weights.
 * Cost: 5 FLOPs per logit, exp counted as one.
 * Errors: TERN_ERR_SHAPE; TERN_ERR_OPTION unless 0 <= label_smoothing <= 1;
 * TERN_ERR_DATA (on ref and cpu) if a target is no class.
 */
#ifndef TERN_KERNELS_CROSS_ENTROPY_H
#define TERN_KERNELS_CROSS_ENTROPY_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_cross_entropy_opts {
    double label_smoothing; /* default 0 */
} tern_cross_entropy_opts;

extern const tern_op tern_op_cross_entropy;

/* For kernels on host memory: false, and the call's error says so, if a row of
 * weight other than 0 has a target outside [0,C). */
bool tern_cross_entropy_targets_fit(tern_call *call);

tern_tensor *tern_cross_entropy(tern_ctx *ctx, tern_tensor *logits, tern_tensor *target,
                                tern_tensor *class_weight, tern_tensor *row_weight,
                                tern_cross_entropy_opts opts);

#endif
