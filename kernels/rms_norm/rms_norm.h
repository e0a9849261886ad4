/* Root mean square normalisation over the last axis (Zhang & Sennrich 2019,
 * arXiv:1910.07467).
 *
 *   y[r,d] = x[r,d] / sqrt(mean_d(x[r,d]^2) + eps) * gain[d]
 *
 *   x     [..., D]
 *   gain  [D]       or NULL for ones
 *   -> y  [..., D]
 *
 * Layer normalisation that leaves the mean where it is: one sum less, no bias.
 * PyTorch's rms_norm has the eps of the number type unless one is given; here it is
 * that of float32, 2^-23, on every backend.
 * Saved for backward: inverse = 1/sqrt(mean(x^2) + eps), one for each row.
 * Cost: 4 FLOPs per element; reads x once from memory, then from cache.
 * Errors: TERN_ERR_SHAPE if x is a scalar or gain is not [D].
 */
#ifndef TERN_KERNELS_RMS_NORM_H
#define TERN_KERNELS_RMS_NORM_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_rms_norm_opts {
    double eps; /* added to the mean of squares; default 2^-23 */
} tern_rms_norm_opts;

extern const tern_op tern_op_rms_norm;

tern_tensor *tern_rms_norm(tern_ctx *ctx, tern_tensor *x, tern_tensor *gain,
                           tern_rms_norm_opts opts);

#endif
