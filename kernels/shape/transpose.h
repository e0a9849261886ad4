/* The axes of a tensor in another order.
 *
 *   x     [D_0, D_1, ...]
 *   -> y  [D_axes[0], D_axes[1], ...]   y's axis i is x's axis axes[i]
 *
 * opts.axes is a permutation of x's axes; left out, the order is reversed, so that a
 * matrix is transposed.  Negative axes count from the end.
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs; every element is read and written once.
 * Errors: TERN_ERR_OPTION if axes is not a permutation of x's.
 */
#ifndef TERN_KERNELS_SHAPE_TRANSPOSE_H
#define TERN_KERNELS_SHAPE_TRANSPOSE_H

#include "core/context.h"
#include "core/op.h"

TERN_API_BEGIN

typedef struct tern_transpose_opts {
    int64_t axes[TERN_MAX_RANK]; /* default: all of them in reverse order */
} tern_transpose_opts;

extern const tern_op tern_op_transpose;

tern_tensor *tern_transpose(tern_ctx *ctx, tern_tensor *x, tern_transpose_opts opts);

/* The permutation of a call, axes[i] from 0 to rank - 1; for transpose's backends.  False
 * if it is none. */
bool tern_transpose_axes(const tern_call *call, int *axes);

TERN_API_END

#endif
