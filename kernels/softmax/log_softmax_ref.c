/* log_softmax on ref: row by row in float64, the specification. */
#include "kernels/softmax/log_softmax.h"

#include <math.h>

static int64_t row_count(const tern_tensor *x)
{
    return tern_extent(x, 0, x->rank - 1);
}

static void log_softmax_forward(tern_call *call)
{
    const double *x = call->in[0]->data;
    const uint8_t *mask = call->in[1] ? call->in[1]->data : NULL;
    double *y = call->out[0]->data;
    int64_t width = tern_dim(call->in[0], -1), rows = row_count(call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        double largest = -INFINITY, sum = 0;
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            if (!mask || mask[i])
                largest = fmax(largest, x[i]);
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            if (!mask || mask[i])
                sum += exp(x[i] - largest);
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            y[i] = !mask || mask[i] ? x[i] - largest - log(sum) : 0;
    }
}

/* dx[d] = dy[d] - exp(y[d]) * sum_j dy[j] over the valid elements. */
static void log_softmax_backward(tern_call *call)
{
    const double *y = call->out[0]->data, *grad_y = call->grad_out[0]->data;
    const uint8_t *mask = call->in[1] ? call->in[1]->data : NULL;
    double *grad_x = call->grad_in[0]->data;
    int64_t width = tern_dim(call->in[0], -1), rows = row_count(call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            if (!mask || mask[i])
                sum += grad_y[i];
        for (int64_t i = r * width; i < (r + 1) * width; i++) {
            double grad = !mask || mask[i] ? grad_y[i] - exp(y[i]) * sum : 0;
            grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad;
        }
    }
}

const tern_impl tern_log_softmax_ref = {
    .op = "log_softmax", .backend = "ref", .provider = "hand",
    .forward = log_softmax_forward, .backward = log_softmax_backward,
};
