/* transpose on ref: y element by element, its place in x found from its coordinates. */
#include "kernels/shape/transpose.h"

#include <string.h>

/* Where y's element number i is in x. */
static int64_t place_in_x(const tern_call *call, const int *axes, int64_t i)
{
    const tern_tensor *x = call->in[0];
    int64_t at = 0;

    for (int axis = x->rank - 1; axis >= 0; axis--) {
        int64_t extent = x->shape[axes[axis]];
        at += i % extent * tern_extent(x, axes[axis] + 1, x->rank);
        i /= extent;
    }
    return at;
}

static void transpose_forward(tern_call *call)
{
    const char *x = call->in[0]->data;
    char *y = call->out[0]->data;
    size_t size = tern_dtype_size(call->out[0]->dtype);
    int axes[TERN_MAX_RANK];

    tern_transpose_axes(call, axes);
    for (int64_t i = 0; i < call->out[0]->count; i++)
        memcpy(y + (size_t)i * size, x + (size_t)place_in_x(call, axes, i) * size, size);
}

static void transpose_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    int axes[TERN_MAX_RANK];

    tern_transpose_axes(call, axes);
    for (int64_t i = 0; i < call->grad_out[0]->count; i++) {
        int64_t at = place_in_x(call, axes, i);
        grad_x[at] = (call->accumulate[0] ? grad_x[at] : 0) + grad_y[i];
    }
}

const tern_impl tern_transpose_ref = {
    .op = "transpose", .backend = "ref", .provider = "hand",
    .forward = transpose_forward, .backward = transpose_backward,
};
