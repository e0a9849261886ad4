/* slice on ref: the piece of every row is copied out; backward puts it back. */
#include "kernels/shape/slice.h"

#include <string.h>

static void slice_forward(tern_call *call)
{
    const char *x = call->in[0]->data;
    char *y = call->out[0]->data;
    size_t size = tern_dtype_size(call->out[0]->dtype);
    tern_slice_place at = tern_slice_find(call);

    for (int64_t r = 0; r < at.rows && at.length_y > 0; r++)
        memcpy(y + (size_t)(r * at.length_y) * size,
               x + (size_t)(r * at.length_x + at.offset) * size, (size_t)at.length_y * size);
}

static void slice_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    tern_slice_place at = tern_slice_find(call);

    for (int64_t r = 0; r < at.rows; r++)
        for (int64_t i = 0; i < at.length_x; i++) {
            bool inside = i >= at.offset && i < at.offset + at.length_y;
            double grad = inside ? grad_y[r * at.length_y + i - at.offset] : 0;
            double before = call->accumulate[0] ? grad_x[r * at.length_x + i] : 0;
            grad_x[r * at.length_x + i] = before + grad;
        }
}

const tern_impl tern_slice_ref = {
    .op = "slice", .backend = "ref", .provider = "hand",
    .forward = slice_forward, .backward = slice_backward,
};
