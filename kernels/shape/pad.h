/* Elements added before and after a tensor, along any of its axes.
 *
 *   x     [D_0, D_1, ...]
 *   -> y  [before_0 + D_0 + after_0, before_1 + D_1 + after_1, ...]
 *
 * y holds x, and around it, by opts.mode:
 *   TERN_PAD_CONSTANT    opts.value
 *   TERN_PAD_REFLECT     x mirrored at its first and last element, which are not repeated:
 *                        a b c d  ->  c b [a b c d] c b
 *   TERN_PAD_REPLICATE   x's first and last element:  a a [a b c d] d d
 *
 * Works on reals, and on indices and masks, which have no gradient.
 * Cost: no FLOPs forward; reflect and replicate add once per element of grad_y backward.
 * Errors: TERN_ERR_OPTION if an axis is padded that is not there, if reflect is to add as
 * much as the extent or more, if replicate has nothing to replicate, or if the value does
 * not fit the element type.
 */
#ifndef TERN_KERNELS_SHAPE_PAD_H
#define TERN_KERNELS_SHAPE_PAD_H

#include "core/context.h"
#include "core/op.h"

typedef enum tern_pad_mode { TERN_PAD_CONSTANT, TERN_PAD_REFLECT, TERN_PAD_REPLICATE } tern_pad_mode;

typedef struct tern_pad_opts {
    int64_t before[TERN_MAX_RANK], after[TERN_MAX_RANK]; /* elements, axis by axis */
    int mode;     /* tern_pad_mode; default constant */
    double value; /* of constant; default 0          */
} tern_pad_opts;

extern const tern_op tern_op_pad;

tern_tensor *tern_pad(tern_ctx *ctx, tern_tensor *x, tern_pad_opts opts);

#endif
