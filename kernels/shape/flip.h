/* The order of elements reversed along any set of axes.
 *
 *   x     [...]
 *   -> y  [...]   y[c0, c1, ...] = x[s0, s1, ...],  s_i = D_i - 1 - c_i where reverse[i]
 *                                                   is 1, else c_i
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs; every element is read and written once.
 * Errors: TERN_ERR_OPTION if an axis is marked that is not there.
 */
#ifndef TERN_KERNELS_SHAPE_FLIP_H
#define TERN_KERNELS_SHAPE_FLIP_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_flip_opts {
    int64_t reverse[TERN_MAX_RANK]; /* axis by axis: 1 reverses it; { 0, 1 } the second */
} tern_flip_opts;

extern const tern_op tern_op_flip;

tern_tensor *tern_flip(tern_ctx *ctx, tern_tensor *x, tern_flip_opts opts);

#endif
