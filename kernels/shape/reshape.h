/* The same elements in the same order under another shape.
 *
 *   x     [...]
 *   -> y  opts.shape, the same number of elements; shares x's storage
 *
 * opts.shape lists y's axes and ends behind its last entry that is not 0:
 *   -1  (at most once) takes what the other axes leave
 *    0  keeps x's extent at that position, as in { 0, -1, 64 }
 *   {0} is the shape of a scalar
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: nothing.
 * Errors: TERN_ERR_SHAPE if the numbers of elements cannot be made equal.
 */
#ifndef TERN_KERNELS_SHAPE_RESHAPE_H
#define TERN_KERNELS_SHAPE_RESHAPE_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_reshape_opts {
    int64_t shape[TERN_MAX_RANK];
} tern_reshape_opts;

extern const tern_op tern_op_reshape;

tern_tensor *tern_reshape(tern_ctx *ctx, tern_tensor *x, tern_reshape_opts opts);

#endif
