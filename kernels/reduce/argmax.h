/* The place of the largest value along one axis.
 *
 *   x     [..., A, ...]
 *   -> y  [..., ...]     i32, 0 to A - 1: the first of equal values, and the first NaN
 *                        if there is one; with keep_dims the axis stays, with extent 1
 *
 * No gradient flows through it.
 * Cost: one comparison per element of x.
 * Errors: TERN_ERR_OPTION if the axis is not there; TERN_ERR_SHAPE if its extent is 0 or
 * does not fit an i32.
 */
#ifndef TERN_KERNELS_REDUCE_ARGMAX_H
#define TERN_KERNELS_REDUCE_ARGMAX_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_argmax_opts {
    int64_t axis; /* default 0, the first; negative counts from the end: -1 is the last */
    bool keep_dims;
} tern_argmax_opts;

extern const tern_op tern_op_argmax;

tern_tensor *tern_argmax(tern_ctx *ctx, tern_tensor *x, tern_argmax_opts opts);

/* x as [outer, extent, inner], extent being the axis; for argmax's backends. */
typedef struct argmax_view {
    int64_t outer, extent, inner;
} argmax_view;
argmax_view tern_argmax_view(const tern_call *call);

#endif
