/* stack on cuda: one copy for each input, a piece of y's rows (move.cuh). */
#include "kernels/shape/stack.h"

#include "kernels/shape/move.cuh"

static void stack_forward(tern_call *call)
{
    const tern_stack_place at = tern_stack_find(call);
    const tern_tensor *y = call->out[0];
    for (int k = 0; k < call->inputs; k++)
        tern_move(call, "stack",
                  move_rows(at.rows, at.length, at.length * call->inputs, at.length),
                  call->in[k]->data, move_at(y, k * at.length), tern_dtype_size(y->dtype));
}

static void stack_backward(tern_call *call)
{
    const tern_stack_place at = tern_stack_find(call);
    for (int k = 0; k < call->inputs; k++)
        if (call->grad_in[k])
            tern_move_grad(call, "stack_grad",
                           move_rows(at.rows, at.length, at.length, at.length * call->inputs),
                           call->grad_out[0], k * at.length, call->grad_in[k], 0,
                           call->accumulate[k]);
}

TERN_CUDA_IMPL(stack, stack_forward, stack_backward)
