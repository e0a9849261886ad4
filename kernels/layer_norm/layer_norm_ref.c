/* layer_norm on ref: row by row in float64, the specification. */
#include "kernels/layer_norm/layer_norm.h"

#include <math.h>

static int64_t row_count(const tern_call *call)
{
    return tern_extent(call->in[0], 0, call->in[0]->rank - 1);
}

static void layer_norm_forward(tern_call *call)
{
    const tern_layer_norm_opts *opts = call->options;
    const double *x = call->in[0]->data;
    const double *gain = call->in[1] ? call->in[1]->data : NULL;
    const double *bias = call->in[2] ? call->in[2]->data : NULL;
    double *y = call->out[0]->data;
    double *saved_mean = call->saved[0] ? call->saved[0]->data : NULL;
    double *saved_rstd = call->saved[1] ? call->saved[1]->data : NULL;
    int64_t rows = row_count(call), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (int64_t d = 0; d < width; d++)
            mean += x[r * width + d] / (double)width;
        for (int64_t d = 0; d < width; d++)
            variance += (x[r * width + d] - mean) * (x[r * width + d] - mean) / (double)width;
        double rstd = 1 / sqrt(variance + opts->eps);
        for (int64_t d = 0; d < width; d++)
            y[r * width + d] = (x[r * width + d] - mean) * rstd * (gain ? gain[d] : 1) +
                               (bias ? bias[d] : 0);
        if (saved_mean) {
            saved_mean[r] = mean;
            saved_rstd[r] = rstd;
        }
    }
}

/* With n = (x - mean) * rstd, the normalised row, and g = dy * gain:
 *   dx = rstd * (g - mean(g) - n * mean(g * n))                            */
static void backward_x(tern_call *call)
{
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    const double *gain = call->in[1] ? call->in[1]->data : NULL;
    const double *mean = call->saved[0]->data, *rstd = call->saved[1]->data;
    double *grad_x = call->grad_in[0]->data;
    int64_t rows = row_count(call), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++) {
        double mean_g = 0, mean_gn = 0;
        for (int64_t d = 0; d < width; d++) {
            double n = (x[r * width + d] - mean[r]) * rstd[r];
            double g = grad_y[r * width + d] * (gain ? gain[d] : 1);
            mean_g += g / (double)width;
            mean_gn += g * n / (double)width;
        }
        for (int64_t d = 0; d < width; d++) {
            int64_t at = r * width + d;
            double n = (x[at] - mean[r]) * rstd[r];
            double g = grad_y[at] * (gain ? gain[d] : 1);
            grad_x[at] = (call->accumulate[0] ? grad_x[at] : 0) +
                         rstd[r] * (g - mean_g - n * mean_gn);
        }
    }
}

static void layer_norm_backward(tern_call *call)
{
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    const double *mean = call->saved[0]->data, *rstd = call->saved[1]->data;
    int64_t rows = row_count(call), width = tern_dim(call->in[0], -1);

    if (call->grad_in[0])
        backward_x(call);
    for (int64_t d = 0; d < width && call->grad_in[1]; d++) {
        double *grad_gain = call->grad_in[1]->data;
        double sum = call->accumulate[1] ? grad_gain[d] : 0;
        for (int64_t r = 0; r < rows; r++)
            sum += grad_y[r * width + d] * (x[r * width + d] - mean[r]) * rstd[r];
        grad_gain[d] = sum;
    }
    for (int64_t d = 0; d < width && call->grad_in[2]; d++) {
        double *grad_bias = call->grad_in[2]->data;
        double sum = call->accumulate[2] ? grad_bias[d] : 0;
        for (int64_t r = 0; r < rows; r++)
            sum += grad_y[r * width + d];
        grad_bias[d] = sum;
    }
}

const tern_impl tern_layer_norm_ref = {
    .op = "layer_norm", .backend = "ref", .provider = "hand",
    .forward = layer_norm_forward, .backward = layer_norm_backward,
};
