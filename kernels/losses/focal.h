/* Focal loss of class scores (Lin et al. 2017, arXiv:1708.02002), for many classes.
 *
 *   p[i,:]  = softmax(logits[i,:]),  t = target[i]
 *   term[i] = row_weight[i] * class_weight[t] * (1 - p[i,t])^gamma * -log p[i,t]
 *
 *   mean  sum_i term[i] / sum_i row_weight[i]
 *   sum   sum_i term[i]
 *   none  term[i]
 *
 *   logits        [N, C]
 *   target        [N]  i32, 0 to C-1
 *   class_weight  [C]  the paper's alpha, or NULL for ones
 *   row_weight    [N]  or NULL for ones; a row of weight 0 is padding: neither its
 *                      logits nor its target are looked at, its gradient is zero
 *   -> loss       []   or [N] for reduction none
 *
 * Cross-entropy, in which rows that are already right count little: at p = 0.9 and
 * gamma = 2 a hundredth.  The paper has two classes and a sigmoid; over a softmax the
 * same term is that of its p_t.  Unlike in cross_entropy the mean does not divide by
 * class weights.  If the row weights sum to 0 it is 0.
 * Saved for backward: of each row the maximum, 1/sum of exponentials and the slope
 * d term / d log p[i,t]; what the mean divides by.
 * Cost: 5 FLOPs per logit, exp counted as one.
 * Errors: TERN_ERR_SHAPE; TERN_ERR_DATA (on ref and cpu) if a target is no class.
 */
#ifndef TERN_KERNELS_LOSSES_FOCAL_H
#define TERN_KERNELS_LOSSES_FOCAL_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/losses/reduction.h"

typedef struct tern_focal_opts {
    double gamma;  /* default 2; for gamma 0 there is tern_cross_entropy */
    int reduction; /* tern_reduction; default mean                       */
} tern_focal_opts;

extern const tern_op tern_op_focal;

/* For kernels on host memory: false, and the call's error says so, if a row of
 * weight other than 0 has a target outside [0,C). */
bool tern_focal_targets_fit(tern_call *call);

/* A row's term without weights, (1-p)^gamma * -log p, and its slope to log p, from
 * log p and 1 - p; for backends. */
double tern_focal_term(double log_p, double rest, double gamma, double *slope);

tern_tensor *tern_focal(tern_ctx *ctx, tern_tensor *logits, tern_tensor *target,
                        tern_tensor *class_weight, tern_tensor *row_weight, tern_focal_opts opts);

#endif
