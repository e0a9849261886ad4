/* Concatenation along one axis.
 *
 *   x_0 [..., A_0, ...]  x_1 [..., A_1, ...]  ...   1 to 16 tensors of one element
 *                                                   type that differ in one axis only
 *   -> y [..., A_0 + A_1 + ..., ...]
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs; every element is read and written once.
 * Errors: TERN_ERR_SHAPE if another axis or the rank differs, TERN_ERR_OPTION if the
 * axis is not there, TERN_ERR_DTYPE if the element types differ.
 */
#ifndef TERN_KERNELS_SHAPE_CONCAT_H
#define TERN_KERNELS_SHAPE_CONCAT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_concat_opts {
    int64_t axis; /* default 0, the first; negative counts from the end: -1 is the last */
} tern_concat_opts;

extern const tern_op tern_op_concat;

tern_tensor *tern_concat(tern_ctx *ctx, tern_tensor *const *x, int count, tern_concat_opts opts);

#endif
