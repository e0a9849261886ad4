/* slice on cuda: a copy of a piece of x's rows (move.cuh).  Backward writes zeros around the
 * piece in the same pass; when it accumulates it touches the piece only. */
#include "kernels/shape/slice.h"

#include "kernels/shape/move.cuh"

static __global__ void slice_place_kernel(const tern_slice_place at, const float *grad_y,
                                          float *grad_x)
{
    const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= at.rows * at.length_x)
        return;
    int64_t row = index / at.length_x, column = index % at.length_x - at.offset;
    bool inside = column >= 0 && column < at.length_y;
    grad_x[index] = inside ? grad_y[row * at.length_y + column] : 0;
}

static void slice_forward(tern_call *call)
{
    const tern_slice_place at = tern_slice_find(call);
    const tern_tensor *y = call->out[0];
    tern_move(call, "slice", move_rows(at.rows, at.length_y, at.length_y, at.length_x),
              move_at(call->in[0], at.offset), y->data, tern_dtype_size(y->dtype));
}

static void slice_backward(tern_call *call)
{
    const tern_slice_place at = tern_slice_find(call);
    if (call->accumulate[0])
        tern_move_grad(call, "slice_grad",
                       move_rows(at.rows, at.length_y, at.length_x, at.length_y),
                       call->grad_out[0], 0, call->grad_in[0], at.offset, true);
    else
        tern_launch(call, "slice_grad", slice_place_kernel,
                    { tern_blocks(at.rows * at.length_x, MOVE_THREADS), MOVE_THREADS }, at,
                    static_cast<const float *>(call->grad_out[0]->data),
                    static_cast<float *>(call->grad_in[0]->data));
}

TERN_CUDA_IMPL(slice, slice_forward, slice_backward)
