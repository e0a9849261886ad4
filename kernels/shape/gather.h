/* Elements chosen along one axis by indices, as torch.gather does.
 *
 *   x      [D_0, ..., A, ...]
 *   index  [E_0, ..., B, ...]   i32, from 0 to A - 1; as many axes as x, and E_i <= D_i
 *   -> y   [E_0, ..., B, ...]   y[c0, ..., b, ...] = x[c0, ..., index[c0, ..., b, ...], ...]
 *
 * Works on reals, and on indices and masks, which have no gradient.  Where an element is
 * chosen several times, backward adds its gradients in the order of index.
 * Cost: no FLOPs forward, one addition per element of grad_y backward.
 * Errors: TERN_ERR_OPTION if the axis is not there, TERN_ERR_SHAPE if index has another
 * rank or is larger than x beside the axis, TERN_ERR_DATA for an index that is not below
 * A, naming its position.
 */
#ifndef TERN_KERNELS_SHAPE_GATHER_H
#define TERN_KERNELS_SHAPE_GATHER_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_gather_opts {
    int64_t axis; /* default 0, the first; negative counts from the end: -1 is the last */
} tern_gather_opts;

extern const tern_op tern_op_gather;

tern_tensor *tern_gather(tern_ctx *ctx, tern_tensor *x, tern_tensor *index, tern_gather_opts opts);

/* For gather's backends: the axis, from 0 on; the check of all indices, which reports the
 * first wrong one; and for element number i of index the element of x that it means. */
int tern_gather_axis(const tern_call *call);
bool tern_gather_check_index(tern_call *call);
int64_t tern_gather_source(const tern_call *call, int64_t i);

#endif
