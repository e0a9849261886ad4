/* Largest value over the valid steps of a sequence.
 *
 *   y[n,d] = max of the x[n,t,d] with mask[n,t] = 1
 *
 *   x     [N, T, D]
 *   mask  [N, T]     1 = valid; or NULL for all valid
 *   -> y  [N, D]
 *
 * A sequence without a valid step gives zeros and receives a zero gradient.
 * Masked steps are not read: NaN in them does no harm; in a valid step it makes NaN.  Of
 * equal largest values each gets the same part of the gradient, as with max.
 * Cost: one comparison per valid element.
 * Errors: TERN_ERR_SHAPE if x has not three axes or mask is not [N,T].
 */
#ifndef TERN_KERNELS_MASKED_MAX_H
#define TERN_KERNELS_MASKED_MAX_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_masked_max;

tern_tensor *tern_masked_max(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

#endif
