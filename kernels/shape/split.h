/* A tensor cut into consecutive pieces along one axis.
 *
 *   x           [..., A, ...]
 *   -> y[0] ... y[parts - 1]   [..., sizes[i], ...], or [..., A / parts, ...] without sizes
 *
 * An op of the table has a fixed number of outputs, so this is not an op but one slice
 * (slice.h) for each piece: the gradient of x is written by the first piece's backward
 * and added to by the others'.
 * Cost: no FLOPs; every element is read and written once.
 * Errors: TERN_ERR_SHAPE if the sizes do not add up to A or A cannot be divided evenly,
 * TERN_ERR_OPTION if the axis is not there.  y is then filled with tern_nil.
 */
#ifndef TERN_KERNELS_SHAPE_SPLIT_H
#define TERN_KERNELS_SHAPE_SPLIT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_split_opts {
    int64_t axis;         /* default 0, the first; negative counts from the end */
    const int64_t *sizes; /* one for each piece, 0 allowed; NULL: all the same  */
} tern_split_opts;

void tern_split(tern_ctx *ctx, tern_tensor *x, int parts, tern_split_opts opts, tern_tensor **y);

#endif
