/* Cross-entropy of class scores against class numbers or shares of classes.
 *
 *   p[i,:]     = softmax(logits[i,:]),  e = label_smoothing
 *   share[i,c] = (1-e) * (1 where c is target[i], else 0) + e/C     of class numbers
 *   share[i,c] = (1-e) * target[i,c] + e/C                          of soft targets
 *   term[i]    = row_weight[i] * sum_c share[i,c] * class_weight[c] * -log p[i,c]
 *
 *   mean  sum_i term[i] / sum_i row_weight[i] * class_weight[target[i]]   of class numbers
 *         sum_i term[i] / sum_i row_weight[i]                             of soft targets
 *   sum   sum_i term[i]
 *   none  term[i]
 *
 *   logits        [N, C]
 *   target        [N]  i32, 0 to C-1, or
 *                 [N, C]  real, each class's share of the row; differentiable
 *   class_weight  [C]  or NULL for ones
 *   row_weight    [N]  or NULL for ones; a row of weight 0 is padding: neither its
 *                      logits nor its target are looked at, its gradient is zero
 *   -> loss       []   or [N] for reduction none
 *
 * Rows whose class number is ignore_index are padding as well.  With row_weight all ones
 * this is PyTorch's cross_entropy, where ignore_index is -100 unless it is given; here
 * no number is ignored unless has_ignore_index says so.
 * If the weights sum to 0 the mean is 0 and so is its gradient, never NaN.
 * Saved for backward: maximum and 1/sum of exponentials of each row, what the mean
 * divides by.
 * Cost: 5 FLOPs per logit, exp counted as one; with soft targets 8.
 * Errors: TERN_ERR_SHAPE; TERN_ERR_OPTION unless 0 <= label_smoothing <= 1, or if soft
 * targets come with an ignore_index; TERN_ERR_DATA (on ref and cpu) if a target is no
 * class.
 */
#ifndef TERN_KERNELS_CROSS_ENTROPY_H
#define TERN_KERNELS_CROSS_ENTROPY_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/losses/reduction.h"

typedef struct tern_cross_entropy_opts {
    double label_smoothing; /* default 0                                    */
    int64_t ignore_index;   /* rows of this class number do not count ...   */
    bool has_ignore_index;  /* ... if this is set                           */
    int reduction;          /* tern_reduction; default mean                 */
} tern_cross_entropy_opts;

extern const tern_op tern_op_cross_entropy;

/* The op's inputs: one of TARGET and SOFT_TARGET is there. */
enum { CE_LOGITS, CE_TARGET, CE_CLASS_WEIGHT, CE_ROW_WEIGHT, CE_SOFT_TARGET, CE_INPUTS };

/* For kernels on host memory: false, and the call's error says so, if a row that
 * counts has a target outside [0,C). */
bool tern_cross_entropy_targets_fit(tern_call *call);

/* target is i32 or real, see above. */
tern_tensor *tern_cross_entropy(tern_ctx *ctx, tern_tensor *logits, tern_tensor *target,
                                tern_tensor *class_weight, tern_tensor *row_weight,
                                tern_cross_entropy_opts opts);

#endif
