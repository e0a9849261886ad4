/* linear on ref: three nested loops in float64, the specification. */
#include "kernels/linear/linear.h"

static void linear_forward(tern_call *call)
{
    const tern_linear_opts *opts = call->options;
    const double *x = call->in[0]->data, *weight = call->in[1]->data;
    const double *bias = call->in[2] ? call->in[2]->data : NULL;
    double *y = call->out[0]->data;
    double *before = call->saved[0] ? call->saved[0]->data : NULL;
    int64_t outputs = call->in[1]->shape[0], inputs = call->in[1]->shape[1];
    int64_t rows = tern_extent(call->in[0], 0, call->in[0]->rank - 1);

    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < outputs; o++) {
            double sum = bias ? bias[o] : 0;
            for (int64_t i = 0; i < inputs; i++)
                sum += x[r * inputs + i] * weight[o * inputs + i];
            if (before)
                before[r * outputs + o] = sum;
            y[r * outputs + o] = tern_activate_ref((tern_activation)opts->activation, sum);
        }
}

/* The gradient of the sum before the activation. */
static double slope_times_grad(const tern_call *call, int64_t at)
{
    const tern_linear_opts *opts = call->options;
    const double *kept = tern_activation_kept(call), *grad_y = call->grad_out[0]->data;
    return grad_y[at] *
           tern_activation_slope_ref((tern_activation)opts->activation, kept ? kept[at] : 0);
}

static void linear_backward(tern_call *call)
{
    const double *x = call->in[0]->data, *weight = call->in[1]->data;
    int64_t outputs = call->in[1]->shape[0], inputs = call->in[1]->shape[1];
    int64_t rows = tern_extent(call->in[0], 0, call->in[0]->rank - 1);

    if (call->grad_in[0]) {
        double *grad_x = call->grad_in[0]->data;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < inputs; i++) {
                double sum = call->accumulate[0] ? grad_x[r * inputs + i] : 0;
                for (int64_t o = 0; o < outputs; o++)
                    sum += slope_times_grad(call, r * outputs + o) * weight[o * inputs + i];
                grad_x[r * inputs + i] = sum;
            }
    }
    if (call->grad_in[1]) {
        double *grad_weight = call->grad_in[1]->data;
        for (int64_t o = 0; o < outputs; o++)
            for (int64_t i = 0; i < inputs; i++) {
                double sum = call->accumulate[1] ? grad_weight[o * inputs + i] : 0;
                for (int64_t r = 0; r < rows; r++)
                    sum += slope_times_grad(call, r * outputs + o) * x[r * inputs + i];
                grad_weight[o * inputs + i] = sum;
            }
    }
    if (call->grad_in[2]) {
        double *grad_bias = call->grad_in[2]->data;
        for (int64_t o = 0; o < outputs; o++) {
            double sum = call->accumulate[2] ? grad_bias[o] : 0;
            for (int64_t r = 0; r < rows; r++)
                sum += slope_times_grad(call, r * outputs + o);
            grad_bias[o] = sum;
        }
    }
}

const tern_impl tern_linear_ref = {
    .op = "linear", .backend = "ref", .provider = "hand",
    .forward = linear_forward, .backward = linear_backward,
    .restore = tern_activation_restore_ref,
};
