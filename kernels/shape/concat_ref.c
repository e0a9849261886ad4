/* concat on ref: every input's rows are copied to their place in y's rows. */
#include "kernels/shape/concat.h"

#include <string.h>

/* Seen along the axis, a tensor is `rows` rows of `length` elements. */
static int64_t row_count(const tern_call *call)
{
    const tern_concat_opts *opts = call->options;
    int axis = (int)opts->axis;
    return tern_extent(call->in[0], 0, axis < 0 ? axis + call->in[0]->rank : axis);
}

static int64_t row_length(const tern_tensor *tensor, int64_t rows)
{
    return rows > 0 ? tensor->count / rows : 0;
}

static void concat_forward(tern_call *call)
{
    size_t size = tern_dtype_size(call->out[0]->dtype);
    int64_t rows = row_count(call), length_y = row_length(call->out[0], rows), offset = 0;

    for (int index = 0; index < call->inputs; index++) {
        const char *x = call->in[index]->data;
        char *y = call->out[0]->data;
        int64_t length = row_length(call->in[index], rows);
        for (int64_t r = 0; r < rows && length > 0; r++)
            memcpy(y + (size_t)(r * length_y + offset) * size, x + (size_t)(r * length) * size,
                   (size_t)length * size);
        offset += length;
    }
}

static void concat_backward(tern_call *call)
{
    const double *grad_y = call->grad_out[0]->data;
    int64_t rows = row_count(call), length_y = row_length(call->out[0], rows), offset = 0;

    for (int index = 0; index < call->inputs; index++) {
        int64_t length = row_length(call->in[index], rows);
        if (call->grad_in[index]) {
            double *grad_x = call->grad_in[index]->data;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < length; i++) {
                    double before = call->accumulate[index] ? grad_x[r * length + i] : 0;
                    grad_x[r * length + i] = before + grad_y[r * length_y + offset + i];
                }
        }
        offset += length;
    }
}

const tern_impl tern_concat_ref = {
    .op = "concat", .backend = "ref", .provider = "hand",
    .forward = concat_forward, .backward = concat_backward,
};
