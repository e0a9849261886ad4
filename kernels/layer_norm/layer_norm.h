/* Layer normalisation over the last axis (Ba et al. 2016, arXiv:1607.06450).
 *
 *   y[r,d] = (x[r,d] - mean[r]) / sqrt(var[r] + eps) * gain[d] + bias[d]
 *
 *   x     [..., D]
 *   gain  [D]       or NULL for ones
 *   bias  [D]       or NULL for zeros
 *   -> y  [..., D]
 *
 * var is the biased variance, as in PyTorch. Saved for backward: mean and
 * rstd = 1/sqrt(var + eps), one for each row.
 * Cost: 8 FLOPs per element; reads x once from memory, then from cache.
 * Errors: TERN_ERR_SHAPE if x is a scalar or gain or bias is not [D].
 */
#ifndef TERN_KERNELS_LAYER_NORM_H
#define TERN_KERNELS_LAYER_NORM_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_layer_norm_opts {
    double eps; /* added to the variance; default 1e-5 */
} tern_layer_norm_opts;

extern const tern_op tern_op_layer_norm;

tern_tensor *tern_layer_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_layer_norm_opts opts);

#endif
