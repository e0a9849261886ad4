/* Reductions over any set of axes.
 *
 *   sum   y[o] = sum of the x[i] that are reduced to o
 *   mean  y[o] = sum / n                  n of them are reduced to each element of y
 *   max   y[o] = the largest of them
 *   var   y[o] = sum of (x[i] - mean[o])^2 / max(0, n - correction)
 *
 *   x     [...]
 *   -> y  x's shape without the axes that are reduced; with keep_dims they stay, each
 *         with extent 1
 *
 * As in PyTorch (sum, mean, amax, var): a sum of nothing is 0, a mean of nothing and the
 * variance of one element with correction 1 are NaN.  NaN in x makes NaN of the result
 * it is reduced to.  Of equal largest values each gets the same part of max's
 * gradient; where the maximum is NaN, so are its gradients.
 *
 * Cost: 1 FLOP per element of x, 4 of var; reads x once, var twice.
 * Saved for backward: var keeps the means.
 * Errors: TERN_ERR_OPTION if an axis is not there or is named twice; TERN_ERR_SHAPE for
 * max over an axis of extent 0.
 */
#ifndef TERN_KERNELS_REDUCE_H
#define TERN_KERNELS_REDUCE_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_reduce_opts {
    int64_t axes[TERN_MAX_RANK]; /* negative counts from the end: -1 is the last     */
    int64_t axis_count;          /* of those in axes; default 0: all axes of x       */
    bool keep_dims;
} tern_reduce_opts;

typedef struct tern_var_opts {
    tern_reduce_opts over; /* as of the other reductions                             */
    double correction;     /* default 1, the unbiased variance                       */
    bool has_correction;   /* the correction was given: with 0 the biased variance   */
} tern_var_opts;

extern const tern_op tern_op_sum, tern_op_mean, tern_op_max, tern_op_var;

tern_tensor *tern_sum(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts);
tern_tensor *tern_mean(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts);
tern_tensor *tern_max(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts);
tern_tensor *tern_var(tern_ctx *ctx, tern_tensor *x, tern_var_opts opts);

#endif
