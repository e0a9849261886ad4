/* reshape on cuda: nothing, but for gradients that have storage of their own. */
#include "kernels/shape/reshape.h"

#include "kernels/shape/move.cuh"

static void reshape_forward(tern_call *call)
{
    const tern_tensor *x = call->in[0], *y = call->out[0];
    if (x->data != y->data)
        tern_move(call, "reshape", move_rows(1, y->count, y->count, y->count), x->data, y->data,
                  tern_dtype_size(y->dtype));
}

static void reshape_backward(tern_call *call)
{
    const tern_tensor *grad_y = call->grad_out[0];
    tern_tensor *grad_x = call->grad_in[0];
    if (grad_x->data != grad_y->data)
        tern_move_grad(call, "reshape_grad",
                       move_rows(1, grad_x->count, grad_x->count, grad_x->count), grad_y, 0,
                       grad_x, 0, call->accumulate[0]);
}

TERN_CUDA_IMPL(reshape, reshape_forward, reshape_backward)
