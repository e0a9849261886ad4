/* Tensors of one shape put side by side along a new axis.
 *
 *   x_0, x_1, ... x_(K-1)  [..., ...]      1 to 16 tensors of one shape and element type
 *   -> y                   [..., K, ...]   y[..., k, ...] = x_k[..., ...]
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs; every element is read and written once.
 * Errors: TERN_ERR_SHAPE if shapes differ or there is no room for another axis,
 * TERN_ERR_OPTION if the axis is not one of y's, TERN_ERR_DTYPE if element types differ.
 */
#ifndef TERN_KERNELS_SHAPE_STACK_H
#define TERN_KERNELS_SHAPE_STACK_H

#include "core/context.h"
#include "core/op.h"

TERN_API_BEGIN

typedef struct tern_stack_opts {
    int64_t axis; /* of y; default 0, the first; negative counts from the end: -1 is the last */
} tern_stack_opts;

extern const tern_op tern_op_stack;

tern_tensor *tern_stack(tern_ctx *ctx, tern_tensor *const *x, int count, tern_stack_opts opts);

/* y seen as rows in which every x has a piece of `length` elements; for stack's backends. */
typedef struct tern_stack_place {
    int64_t rows, length;
} tern_stack_place;
tern_stack_place tern_stack_find(const tern_call *call);

TERN_API_END

#endif
