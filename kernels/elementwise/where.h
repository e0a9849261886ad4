/* Choice between two tensors, element by element, broadcasting as in NumPy.
 *
 *   y = condition ? a : b
 *
 *   condition  u8, 0 or not     up to six axes, aligned at the last; an extent of 1 is
 *   a, b                        repeated
 *   -> y                        the broadcast shape
 *
 * The gradient goes to the one that was chosen, the other gets 0 there: what was not
 * chosen may be NaN or infinite in forward and backward.  The gradient of a repeated
 * input is summed over the axes it was repeated on.
 *
 * Cost: no arithmetic, bound by memory traffic.
 * Errors: TERN_ERR_SHAPE if two extents differ and neither is 1.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_WHERE_H
#define TERN_KERNELS_ELEMENTWISE_WHERE_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_where;

tern_tensor *tern_where(tern_ctx *ctx, tern_tensor *condition, tern_tensor *a, tern_tensor *b);

#endif
