/* reshape on ref.  y shares x's storage, and mostly grad_x shares grad_y's: there
 * is work to do only where it does not. */
#include "kernels/shape/reshape.h"

#include <string.h>

static void reshape_forward(tern_call *call)
{
    if (call->out[0]->data != call->in[0]->data)
        memcpy(call->out[0]->data, call->in[0]->data, tern_tensor_bytes(call->in[0]));
}

static void reshape_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    if (grad_x == grad_y)
        return;
    for (int64_t i = 0; i < call->grad_in[0]->count; i++)
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad_y[i];
}

const tern_impl tern_reshape_ref = {
    .op = "reshape", .backend = "ref", .provider = "hand",
    .forward = reshape_forward, .backward = reshape_backward,
};
