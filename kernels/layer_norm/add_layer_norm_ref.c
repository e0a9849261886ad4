/* add_layer_norm on ref: row by row in float64, the specification. */
#include "kernels/layer_norm/add_layer_norm.h"

#include <math.h>

static int64_t row_count(const tern_call *call)
{
    return tern_extent(call->in[0], 0, call->in[0]->rank - 1);
}

static void add_layer_norm_forward(tern_call *call)
{
    const tern_layer_norm_opts *opts = call->options;
    const double *x = call->in[0]->data, *residual = call->in[1]->data;
    const double *gain = call->in[2] ? call->in[2]->data : NULL;
    const double *bias = call->in[3] ? call->in[3]->data : NULL;
    double *y = call->out[0]->data, *sum = call->out[1]->data;
    int64_t rows = row_count(call), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (int64_t at = r * width; at < (r + 1) * width; at++) {
            sum[at] = x[at] + residual[at];
            mean += sum[at] / (double)width;
        }
        for (int64_t at = r * width; at < (r + 1) * width; at++)
            variance += (sum[at] - mean) * (sum[at] - mean) / (double)width;
        double rstd = 1 / sqrt(variance + opts->eps);
        for (int64_t d = 0; d < width; d++)
            y[r * width + d] = (sum[r * width + d] - mean) * rstd * (gain ? gain[d] : 1) +
                               (bias ? bias[d] : 0);
        if (call->saved[0]) {
            ((double *)call->saved[0]->data)[r] = mean;
            ((double *)call->saved[1]->data)[r] = rstd;
        }
    }
}

/* With n = (sum - mean) * rstd and g = dy * gain, both x and residual get
 *   dsum + rstd * (g - mean(g) - n * mean(g * n))                          */
static void backward_row(tern_call *call, int64_t r)
{
    int64_t width = tern_dim(call->in[0], -1), first = r * width;
    const double *sum = (const double *)call->out[1]->data + first;
    const double *grad_y = (const double *)call->grad_out[0]->data + first;
    const double *grad_sum = (const double *)call->grad_out[1]->data + first;
    const double *gain = call->in[2] ? call->in[2]->data : NULL;
    double mean = ((const double *)call->saved[0]->data)[r];
    double rstd = ((const double *)call->saved[1]->data)[r], mean_g = 0, mean_gn = 0;

    for (int64_t d = 0; d < width; d++) {
        double g = grad_y[d] * (gain ? gain[d] : 1);
        mean_g += g / (double)width;
        mean_gn += g * (sum[d] - mean) * rstd / (double)width;
    }
    for (int64_t d = 0; d < width; d++) {
        double g = grad_y[d] * (gain ? gain[d] : 1), n = (sum[d] - mean) * rstd;
        double value = grad_sum[d] + rstd * (g - mean_g - n * mean_gn);
        for (int i = 0; i < 2; i++) {
            double *grad = call->grad_in[i] ? (double *)call->grad_in[i]->data + first : NULL;
            if (grad)
                grad[d] = (call->accumulate[i] ? grad[d] : 0) + value;
        }
    }
}

static void add_layer_norm_backward(tern_call *call)
{
    const double *sum = call->out[1]->data, *grad_y = call->grad_out[0]->data;
    const double *mean = call->saved[0]->data, *rstd = call->saved[1]->data;
    double *grad_gain = call->grad_in[2] ? call->grad_in[2]->data : NULL;
    double *grad_bias = call->grad_in[3] ? call->grad_in[3]->data : NULL;
    int64_t rows = row_count(call), width = tern_dim(call->in[0], -1);

    for (int64_t r = 0; r < rows; r++)
        backward_row(call, r);
    for (int64_t d = 0; d < width; d++) {
        double to_gain = 0, to_bias = 0;
        for (int64_t r = 0; r < rows; r++) {
            to_gain += grad_y[r * width + d] * (sum[r * width + d] - mean[r]) * rstd[r];
            to_bias += grad_y[r * width + d];
        }
        if (grad_gain)
            grad_gain[d] = (call->accumulate[2] ? grad_gain[d] : 0) + to_gain;
        if (grad_bias)
            grad_bias[d] = (call->accumulate[3] ? grad_bias[d] : 0) + to_bias;
    }
}

const tern_impl tern_add_layer_norm_ref = {
    .op = "add_layer_norm", .backend = "ref", .provider = "hand",
    .forward = add_layer_norm_forward, .backward = add_layer_norm_backward,
};
