/* stack on ref: row by row, a piece of each input in turn. */
#include "kernels/shape/stack.h"

#include <string.h>

static void stack_forward(tern_call *call)
{
    char *y = call->out[0]->data;
    tern_stack_place at = tern_stack_find(call);
    size_t bytes = (size_t)at.length * tern_dtype_size(call->out[0]->dtype);

    for (int64_t r = 0; r < at.rows && bytes > 0; r++)
        for (int k = 0; k < call->inputs; k++)
            memcpy(y + (size_t)(r * call->inputs + k) * bytes,
                   (const char *)call->in[k]->data + (size_t)r * bytes, bytes);
}

static void stack_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    tern_stack_place at = tern_stack_find(call);

    for (int k = 0; k < call->inputs; k++) {
        double *grad_x = call->grad_in[k] ? call->grad_in[k]->data : NULL;
        for (int64_t r = 0; grad_x && r < at.rows; r++)
            for (int64_t i = 0; i < at.length; i++) {
                double before = call->accumulate[k] ? grad_x[r * at.length + i] : 0;
                grad_x[r * at.length + i] =
                    before + grad_y[(r * call->inputs + k) * at.length + i];
            }
    }
}

const tern_impl tern_stack_ref = {
    .op = "stack", .backend = "ref", .provider = "hand",
    .forward = stack_forward, .backward = stack_backward,
};
