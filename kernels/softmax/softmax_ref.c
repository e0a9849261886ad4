/* softmax on ref: row by row in float64, the specification. */
#include "kernels/softmax/softmax.h"

#include <math.h>

static int64_t row_count(const tern_tensor *x)
{
    return tern_extent(x, 0, x->rank - 1);
}

static void softmax_forward(tern_call *call)
{
    const double *x = call->in[0]->data;
    const uint8_t *mask = call->in[1] ? call->in[1]->data : NULL;
    double *y = call->out[0]->data;
    int64_t rows = row_count(call->in[0]), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++) {
        double largest = -INFINITY, sum = 0;
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            if (!mask || mask[i])
                largest = fmax(largest, x[i]);
        for (int64_t i = r * width; i < (r + 1) * width; i++) {
            y[i] = !mask || mask[i] ? exp(x[i] - largest) : 0;
            sum += y[i];
        }
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            y[i] = !mask || mask[i] ? y[i] / sum : 0;
    }
}

/* dx[d] = y[d] * (dy[d] - sum_j dy[j] y[j]); y is 0 where the mask was. */
static void softmax_backward(tern_call *call)
{
    const double *y = call->out[0]->data, *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    int64_t rows = row_count(call->in[0]), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++) {
        double dot = 0;
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            dot += grad_y[i] * y[i];
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + y[i] * (grad_y[i] - dot);
    }
}

const tern_impl tern_softmax_ref = {
    .op = "softmax", .backend = "ref", .provider = "hand",
    .forward = softmax_forward, .backward = softmax_backward,
};
