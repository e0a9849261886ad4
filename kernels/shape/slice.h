/* A contiguous piece along one axis.
 *
 *   x     [..., A, ...]
 *   -> y  [..., length, ...]    y[..., a, ...] = x[..., start + a, ...]
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs; the piece is read and written once.
 * Errors: TERN_ERR_OPTION if the axis is not there or the piece is not within it.
 */
#ifndef TERN_KERNELS_SHAPE_SLICE_H
#define TERN_KERNELS_SHAPE_SLICE_H

#include "core/context.h"
#include "core/op.h"

TERN_API_BEGIN

typedef struct tern_slice_opts {
    int64_t axis;   /* default 0, the first; negative counts from the end: -1 is the last */
    int64_t start;  /* default 0; negative counts from the end: -1 is the last element    */
    int64_t length; /* default: all from start on                                         */
} tern_slice_opts;

extern const tern_op tern_op_slice;

tern_tensor *tern_slice(tern_ctx *ctx, tern_tensor *x, tern_slice_opts opts);

/* Where the piece lies, in elements, when x is seen as rows along the axis; for
 * slice's backends. */
typedef struct tern_slice_place {
    int64_t rows, length_x, offset, length_y;
} tern_slice_place;
tern_slice_place tern_slice_find(const tern_call *call);

TERN_API_END

#endif
