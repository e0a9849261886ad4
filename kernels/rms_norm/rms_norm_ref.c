/* rms_norm on ref: row by row in float64, the specification. */
#include "kernels/rms_norm/rms_norm.h"

#include <math.h>

static void rms_norm_forward(tern_call *call)
{
    const tern_rms_norm_opts *opts = call->options;
    const double *x = call->in[0]->data, *gain = call->in[1] ? call->in[1]->data : NULL;
    double *y = call->out[0]->data, *saved = call->saved[0] ? call->saved[0]->data : NULL;
    int64_t width = tern_dim(call->in[0], -1);
    int64_t rows = tern_extent(call->in[0], 0, call->in[0]->rank - 1);

    for (int64_t r = 0; r < rows; r++) {
        double mean_square = 0;
        for (int64_t d = 0; d < width; d++)
            mean_square += x[r * width + d] * x[r * width + d] / (double)width;
        double inverse = 1 / sqrt(mean_square + opts->eps);
        for (int64_t d = 0; d < width; d++)
            y[r * width + d] = x[r * width + d] * inverse * (gain ? gain[d] : 1);
        if (saved)
            saved[r] = inverse;
    }
}

/* With n = x * inverse, the normalised row, and g = dy * gain:
 *   dx = inverse * (g - n * mean(g * n)),  dgain = sum over rows of dy * n   */
static void rms_norm_backward(tern_call *call)
{
    const double *x = call->in[0]->data, *gain = call->in[1] ? call->in[1]->data : NULL;
    const double *grad_y = call->grad_out[0]->data, *inverse = call->saved[0]->data;
    double *grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL;
    double *grad_gain = call->grad_in[1] ? call->grad_in[1]->data : NULL;
    int64_t width = tern_dim(call->in[0], -1);
    int64_t rows = tern_extent(call->in[0], 0, call->in[0]->rank - 1);

    for (int64_t r = 0; r < rows && grad_x; r++) {
        double mean_gn = 0;
        for (int64_t d = 0; d < width; d++)
            mean_gn += grad_y[r * width + d] * (gain ? gain[d] : 1) * x[r * width + d] *
                       inverse[r] / (double)width;
        for (int64_t d = 0; d < width; d++) {
            int64_t at = r * width + d;
            double g = grad_y[at] * (gain ? gain[d] : 1), n = x[at] * inverse[r];
            grad_x[at] = (call->accumulate[0] ? grad_x[at] : 0) + inverse[r] * (g - n * mean_gn);
        }
    }
    for (int64_t d = 0; d < width && grad_gain; d++) {
        double sum = call->accumulate[1] ? grad_gain[d] : 0;
        for (int64_t r = 0; r < rows; r++)
            sum += grad_y[r * width + d] * x[r * width + d] * inverse[r];
        grad_gain[d] = sum;
    }
}

const tern_impl tern_rms_norm_ref = {
    .op = "rms_norm", .backend = "ref", .provider = "hand",
    .forward = rms_norm_forward, .backward = rms_norm_backward,
};
