/* gather on ref: element by element; backward adds each gradient to its source's. */
#include "kernels/shape/gather.h"

#include <string.h>

static void gather_forward(tern_call *call)
{
    const char *x = call->in[0]->data;
    char *y = call->out[0]->data;
    size_t size = tern_dtype_size(call->out[0]->dtype);

    if (!tern_gather_check_index(call))
        return;
    for (int64_t i = 0; i < call->out[0]->count; i++)
        memcpy(y + (size_t)i * size, x + (size_t)tern_gather_source(call, i) * size, size);
}

static void gather_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t i = 0; i < call->grad_in[0]->count && !call->accumulate[0]; i++)
        grad_x[i] = 0;
    for (int64_t i = 0; i < call->grad_out[0]->count; i++)
        grad_x[tern_gather_source(call, i)] += grad_y[i];
}

const tern_impl tern_gather_ref = {
    .op = "gather", .backend = "ref", .provider = "hand",
    .forward = gather_forward, .backward = gather_backward,
};
