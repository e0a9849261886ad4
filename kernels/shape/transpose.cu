/* transpose on cuda: rows are copied where the last axis stays the last, else squares are
 * transposed in shared memory (move.cuh).  Backward is the same with the inverse permutation. */
#include "kernels/shape/transpose.h"

#include "kernels/shape/move.cuh"

/* to[i] = from[..., axes[i], ...], both dense. */
static move_axes box_of(const tern_tensor *from, const int *axes)
{
    move_axes box = move_none();
    int64_t to_stride = from->count;
    for (int i = 0; i < from->rank; i++) {
        int64_t extent = from->shape[axes[i]];
        to_stride = extent ? to_stride / extent : 0;
        move_add_axis(&box, extent, to_stride, tern_extent(from, axes[i] + 1, from->rank));
    }
    return box;
}

static void transpose_forward(tern_call *call)
{
    const tern_tensor *x = call->in[0], *y = call->out[0];
    int axes[TERN_MAX_RANK];
    tern_transpose_axes(call, axes);
    tern_move(call, "transpose", box_of(x, axes), x->data, y->data, tern_dtype_size(y->dtype));
}

static void transpose_backward(tern_call *call)
{
    int axes[TERN_MAX_RANK], inverse[TERN_MAX_RANK];
    tern_transpose_axes(call, axes);
    for (int i = 0; i < call->in[0]->rank; i++)
        inverse[axes[i]] = i;
    tern_move_grad(call, "transpose_grad", box_of(call->grad_out[0], inverse), call->grad_out[0],
                   0, call->grad_in[0], 0, call->accumulate[0]);
}

TERN_CUDA_IMPL(transpose, transpose_forward, transpose_backward)
