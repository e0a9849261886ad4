/* Broadcasting as in NumPy: shapes are aligned at their last axis, a missing axis
 * or one of extent 1 is repeated to the other's extent.
 *
 *   [8,1,6,1] with [7,1,5] gives [8,7,6,5]
 */
#ifndef TERN_KERNELS_ELEMENTWISE_BROADCAST_H
#define TERN_KERNELS_ELEMENTWISE_BROADCAST_H

#include "core/op.h"

TERN_API_BEGIN

enum { TERN_BROADCAST_OPERANDS = 3 }; /* at most: where */

/* The shape rule of an op whose inputs are all broadcast: declares output 0. */
void tern_broadcast_shape(tern_call *call);

/* Which element of operand is repeated to element `at` of out. */
int64_t tern_broadcast_index(const tern_tensor *out, const tern_tensor *operand, int64_t at);

/* How to walk out together with its operands: the fewest axes that do, outermost
 * first.  On the last axis every stride is 0 or 1, so that kernels need loops for
 * those only; same shapes come out as one axis, a vector over rows as two:
 *   [32,10,64] + [64]  ->  extent {320,64}, stride {64,1} and {0,1}          */
typedef struct tern_broadcast {
    int axes, operands;
    int64_t extent[TERN_MAX_RANK];
    int64_t stride[TERN_BROADCAST_OPERANDS][TERN_MAX_RANK]; /* in elements; 0 where repeated */
} tern_broadcast;

tern_broadcast tern_broadcast_plan(const tern_tensor *out, const tern_tensor *const *operands,
                                   int count);

/* A stretch of the last axis: where it starts in each operand, in elements. */
typedef struct tern_broadcast_piece {
    int64_t count, offset[TERN_BROADCAST_OPERANDS];
} tern_broadcast_piece;

/* The stretch from element `at` of out to the end of its row, or to `end`. */
tern_broadcast_piece tern_broadcast_next(const tern_broadcast *plan, int64_t at, int64_t end);

TERN_API_END

#endif
