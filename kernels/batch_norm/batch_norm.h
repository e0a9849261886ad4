/* Batch normalisation over all axes but the last (Ioffe and Szegedy 2015,
 * arXiv:1502.03167), with an optional row mask and a fused relu.
 *
 *   y[r,c] = act( (x[r,c] - mean[c]) / sqrt(var[c] + eps) * gain[c] + bias[c] )
 *
 *   x             [..., C]  the leading axes are rows
 *   gain, bias    [C]
 *   running_mean, running_var  [C]  state, see below
 *   mask          u8, or NULL for all ones: its shape is x's first axes, any number but
 *                 the last; [N, T] for x [N, T, F, C] masks whole time steps
 *   -> y          [..., C]
 *
 * In training mean and var are those of the rows whose mask is 1; var is the biased
 * variance, as in PyTorch.  The running statistics then move towards them,
 *   running = (1 - momentum) * running + momentum * statistic
 * with the unbiased variance (n-1), as in PyTorch, unless the context's state is frozen
 * or fewer than two rows are valid.  Otherwise mean and var are the running ones.
 *
 * Masked rows do not count in the statistics; their y is zero, and so is their
 * gradient.  With one valid row y is act(bias), with none it is zero: never NaN.
 * Saved for backward: mean and 1/sqrt(var + eps).
 * Cost: 8 FLOPs per element; reads x once for the statistics, once for y.
 * Errors: TERN_ERR_SHAPE if a vector is not [C] or the mask's shape does not fit.
 */
#ifndef TERN_KERNELS_BATCH_NORM_H
#define TERN_KERNELS_BATCH_NORM_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_batch_norm_opts {
    double eps;      /* zero means 1e-5                                     */
    double momentum; /* weight of the new statistics; zero means 0.1 ...    */
    bool has_momentum; /* ... unless this is set: they then stay as they are */
    int activation;  /* TERN_ACT_NONE (default) or TERN_ACT_RELU            */
} tern_batch_norm_opts;

extern const tern_op tern_op_batch_norm;

tern_tensor *tern_batch_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_tensor *running_mean, tern_tensor *running_var,
                             tern_tensor *mask, tern_batch_norm_opts opts);

#endif
