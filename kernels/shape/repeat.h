/* A tensor laid out again and again, as torch.Tensor.repeat does.
 *
 *   x     [D_0, D_1, ...]
 *   -> y  [T_0 * D_0, T_1 * D_1, ...]   y[c0, c1, ...] = x[c0 mod D_0, c1 mod D_1, ...]
 *
 * T is opts.times; it ends behind its last entry that is not 0.  If it has more entries
 * than x axes, x has axes of extent 1 in front: [3,2] repeated 4, 1, 2 times is [4,3,4].
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs forward; one addition per element of grad_y backward.
 * Errors: TERN_ERR_OPTION if times has fewer entries than x axes.
 */
#ifndef TERN_KERNELS_SHAPE_REPEAT_H
#define TERN_KERNELS_SHAPE_REPEAT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_repeat_opts {
    int64_t times[TERN_MAX_RANK]; /* a 0 before the last entry stands for 1 */
} tern_repeat_opts;

extern const tern_op tern_op_repeat;

tern_tensor *tern_repeat(tern_ctx *ctx, tern_tensor *x, tern_repeat_opts opts);

#endif
