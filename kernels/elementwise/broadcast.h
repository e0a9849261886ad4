/* Broadcasting as in NumPy: shapes are aligned at their last axis, a missing axis
 * or one of extent 1 is repeated to the other's extent.
 *
 *   [8,1,6,1] with [7,1,5] gives [8,7,6,5]
 */
#ifndef TERN_KERNELS_ELEMENTWISE_BROADCAST_H
#define TERN_KERNELS_ELEMENTWISE_BROADCAST_H

#include "core/op.h"

/* The shape rule of an op with inputs a and b: declares output 0. */
void tern_broadcast_shape(tern_call *call);

/* Which element of operand is repeated to element `at` of out. */
int64_t tern_broadcast_index(const tern_tensor *out, const tern_tensor *operand, int64_t at);

/* How to walk out together with two operands: the fewest axes that do, outermost
 * first.  On the last axis every stride is 0 or 1, so that kernels need loops for
 * those only; same shapes come out as one axis, a vector over rows as two:
 *   [32,10,64] + [64]  ->  extent {320,64}, stride {64,1} and {0,1}          */
typedef struct tern_broadcast {
    int axes;
    int64_t extent[TERN_MAX_RANK];
    int64_t stride[2][TERN_MAX_RANK]; /* in elements; 0 where repeated */
} tern_broadcast;

tern_broadcast tern_broadcast_plan(const tern_tensor *out, const tern_tensor *first,
                                   const tern_tensor *second);

#endif
