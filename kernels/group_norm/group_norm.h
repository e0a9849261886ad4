/* Group normalisation (Wu & He 2018, arXiv:1803.08494) of channels-last tensors.
 *
 *   y[n,...,c] = (x[n,...,c] - mean[n,g]) / sqrt(var[n,g] + eps) * gain[c] + bias[c]
 *
 *   x     [N, ..., C]  images [N,H,W,C], sequences [N,T,C], rows [N,C]
 *   gain  [C]          or NULL for ones
 *   bias  [C]          or NULL for zeros
 *   -> y  [N, ..., C]
 *
 * Group g has C / groups channels side by side; mean and (biased) var are over all
 * positions of one sample and the channels of one group.  One group is layer
 * normalisation of the whole sample, C groups are instance normalisation.  It equals
 * PyTorch's group_norm, which has the channels second, on the transposed tensor.
 * Saved for backward: mean and rstd = 1/sqrt(var + eps), [N, groups].
 * Cost: 8 FLOPs per element; x is read three times, from cache where a sample is small.
 * Errors: TERN_ERR_SHAPE if x has less than 2 axes or gain or bias is not [C];
 * TERN_ERR_OPTION if groups does not divide C.
 */
#ifndef TERN_KERNELS_GROUP_NORM_H
#define TERN_KERNELS_GROUP_NORM_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_group_norm_opts {
    int64_t groups; /* default 1                             */
    double eps;     /* added to the variance; default 1e-5   */
} tern_group_norm_opts;

extern const tern_op tern_op_group_norm;

tern_tensor *tern_group_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain, tern_tensor *bias,
                             tern_group_norm_opts opts);

/* x as [samples, rows, groups, width], for backends. */
typedef struct tern_group_extents {
    int64_t samples, rows, groups, width, channels;
} tern_group_extents;
tern_group_extents tern_group_norm_extents(const tern_call *call);

#endif
