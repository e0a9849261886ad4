/* group_norm on ref: group by group in float64, the specification. */
#include "kernels/group_norm/group_norm.h"

#include <math.h>

/* Where x[sample, row, group, channel of the group] is. */
static int64_t place(const tern_group_extents *e, int64_t n, int64_t r, int64_t g, int64_t i)
{
    return ((n * e->rows + r) * e->groups + g) * e->width + i;
}

static void normalise_group(tern_call *call, const tern_group_extents *e, int64_t n, int64_t g)
{
    const tern_group_norm_opts *opts = call->options;
    const double *x = call->in[0]->data;
    const double *gain = call->in[1] ? call->in[1]->data : NULL;
    const double *bias = call->in[2] ? call->in[2]->data : NULL;
    double *y = call->out[0]->data, mean = 0, variance = 0, count = (double)(e->rows * e->width);

    for (int64_t r = 0; r < e->rows; r++)
        for (int64_t i = 0; i < e->width; i++)
            mean += x[place(e, n, r, g, i)] / count;
    for (int64_t r = 0; r < e->rows; r++)
        for (int64_t i = 0; i < e->width; i++) {
            double difference = x[place(e, n, r, g, i)] - mean;
            variance += difference * difference / count;
        }
    double rstd = 1 / sqrt(variance + opts->eps);
    for (int64_t r = 0; r < e->rows; r++)
        for (int64_t i = 0; i < e->width; i++) {
            int64_t at = place(e, n, r, g, i), c = g * e->width + i;
            y[at] = (x[at] - mean) * rstd * (gain ? gain[c] : 1) + (bias ? bias[c] : 0);
        }
    if (call->saved[0]) {
        ((double *)call->saved[0]->data)[n * e->groups + g] = mean;
        ((double *)call->saved[1]->data)[n * e->groups + g] = rstd;
    }
}

static void group_norm_forward(tern_call *call)
{
    tern_group_extents e = tern_group_norm_extents(call);
    for (int64_t n = 0; n < e.samples; n++)
        for (int64_t g = 0; g < e.groups; g++)
            normalise_group(call, &e, n, g);
}

/* With k = (x - mean) * rstd and h = dy * gain, means over the group:
 *   dx = rstd * (h - mean(h) - k * mean(h * k))                            */
static void backward_x(tern_call *call, const tern_group_extents *e, int64_t n, int64_t g)
{
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    const double *gain = call->in[1] ? call->in[1]->data : NULL;
    double mean = ((const double *)call->saved[0]->data)[n * e->groups + g];
    double rstd = ((const double *)call->saved[1]->data)[n * e->groups + g];
    double *grad_x = call->grad_in[0]->data, count = (double)(e->rows * e->width);
    double mean_h = 0, mean_hk = 0;

    for (int64_t r = 0; r < e->rows; r++)
        for (int64_t i = 0; i < e->width; i++) {
            int64_t at = place(e, n, r, g, i);
            double h = grad_y[at] * (gain ? gain[g * e->width + i] : 1);
            mean_h += h / count;
            mean_hk += h * (x[at] - mean) * rstd / count;
        }
    for (int64_t r = 0; r < e->rows; r++)
        for (int64_t i = 0; i < e->width; i++) {
            int64_t at = place(e, n, r, g, i);
            double h = grad_y[at] * (gain ? gain[g * e->width + i] : 1);
            double k = (x[at] - mean) * rstd;
            grad_x[at] = (call->accumulate[0] ? grad_x[at] : 0) + rstd * (h - mean_h - k * mean_hk);
        }
}

/* dgain[c] = sum of dy * k, dbias[c] = sum of dy, over samples and rows. */
static void backward_channel(tern_call *call, const tern_group_extents *e, int64_t g, int64_t i)
{
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    const double *mean = call->saved[0]->data, *rstd = call->saved[1]->data;
    double gain = 0, bias = 0;
    int64_t c = g * e->width + i;

    for (int64_t n = 0; n < e->samples; n++)
        for (int64_t r = 0; r < e->rows; r++) {
            int64_t at = place(e, n, r, g, i), group = n * e->groups + g;
            gain += grad_y[at] * (x[at] - mean[group]) * rstd[group];
            bias += grad_y[at];
        }
    if (call->grad_in[1]) {
        double *grad_gain = call->grad_in[1]->data;
        grad_gain[c] = (call->accumulate[1] ? grad_gain[c] : 0) + gain;
    }
    if (call->grad_in[2]) {
        double *grad_bias = call->grad_in[2]->data;
        grad_bias[c] = (call->accumulate[2] ? grad_bias[c] : 0) + bias;
    }
}

static void group_norm_backward(tern_call *call)
{
    tern_group_extents e = tern_group_norm_extents(call);
    for (int64_t n = 0; n < e.samples && call->grad_in[0]; n++)
        for (int64_t g = 0; g < e.groups; g++)
            backward_x(call, &e, n, g);
    for (int64_t g = 0; g < e.groups; g++)
        for (int64_t i = 0; i < e.width; i++)
            backward_channel(call, &e, g, i);
}

const tern_impl tern_group_norm_ref = {
    .op = "group_norm", .backend = "ref", .provider = "hand",
    .forward = group_norm_forward, .backward = group_norm_backward,
};
