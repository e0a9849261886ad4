/* Mean over the valid steps of a sequence.
 *
 *   y[n,d] = sum_t mask[n,t] x[n,t,d] / sum_t mask[n,t]
 *
 *   x     [N, T, D]
 *   mask  [N, T]     1 = valid; or NULL for all valid
 *   -> y  [N, D]
 *
 * A sequence without a valid step gives zeros and receives a zero gradient.
 * Masked steps are not read: NaN in them does no harm.
 * Cost: one addition per valid element.
 * Errors: TERN_ERR_SHAPE if x has not three axes or mask is not [N,T].
 */
#ifndef TERN_KERNELS_MASKED_MEAN_H
#define TERN_KERNELS_MASKED_MEAN_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_masked_mean;

tern_tensor *tern_masked_mean(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

#endif
