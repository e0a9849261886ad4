/* batch_norm on ref: plain loops in float64, the specification. */
#include "kernels/batch_norm/batch_norm.h"

#include <math.h>

#include "kernels/batch_norm/batch_norm_rows.h"

/* Mean and biased variance of a channel over the rows that count; 0 if none do. */
static void statistics(const batch_norm_rows *rows, const double *x, int64_t c, int64_t valid,
                       double *mean, double *var)
{
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows->rows; r++)
        if (batch_norm_row_counts(rows, r))
            sum += x[r * rows->channels + c];
    *mean = valid ? sum / (double)valid : 0;
    for (int64_t r = 0; r < rows->rows; r++)
        if (batch_norm_row_counts(rows, r)) {
            double centred = x[r * rows->channels + c] - *mean;
            squares += centred * centred;
        }
    *var = valid ? squares / (double)valid : 0;
}

static void update_running(tern_call *call, int64_t c, int64_t valid, double mean, double var)
{
    const tern_batch_norm_opts *opts = call->options;
    double *running_mean = call->in[BN_RUNNING_MEAN]->data;
    double *running_var = call->in[BN_RUNNING_VAR]->data;
    if (call->frozen_state || valid < 2)
        return;
    double unbiased = var * (double)valid / (double)(valid - 1);
    running_mean[c] += opts->momentum * (mean - running_mean[c]);
    running_var[c] += opts->momentum * (unbiased - running_var[c]);
}

/* One element before the activation. */
static double normalised(double x, double mean, double inverse, double gain, double bias)
{
    return (x - mean) * inverse * gain + bias;
}

static void batch_norm_forward(tern_call *call)
{
    const tern_batch_norm_opts *opts = call->options;
    const batch_norm_rows rows = batch_norm_rows_of(call);
    const double *x = call->in[BN_X]->data, *gain = call->in[BN_GAIN]->data;
    const double *bias = call->in[BN_BIAS]->data;
    double *y = call->out[0]->data;
    int64_t valid = batch_norm_valid_rows(&rows);

    for (int64_t c = 0; c < rows.channels; c++) {
        double mean = ((const double *)call->in[BN_RUNNING_MEAN]->data)[c];
        double var = ((const double *)call->in[BN_RUNNING_VAR]->data)[c];
        if (call->training) {
            statistics(&rows, x, c, valid, &mean, &var);
            update_running(call, c, valid, mean, var);
        }
        double inverse = 1 / sqrt(var + opts->eps);
        if (call->saved[0]) {
            ((double *)call->saved[0]->data)[c] = mean;
            ((double *)call->saved[1]->data)[c] = inverse;
        }
        for (int64_t r = 0; r < rows.rows; r++) {
            int64_t at = r * rows.channels + c;
            double z = normalised(x[at], mean, inverse, gain[c], bias[c]);
            y[at] = batch_norm_row_counts(&rows, r)
                        ? tern_activate_ref((tern_activation)opts->activation, z)
                        : 0;
        }
    }
}

/* The gradient of one element before the activation; zero in masked rows. */
static double grad_normalised(const tern_call *call, const batch_norm_rows *rows, int64_t r,
                              int64_t c)
{
    const tern_batch_norm_opts *opts = call->options;
    const double *x = call->in[BN_X]->data, *grad_y = call->grad_out[0]->data;
    int64_t at = r * rows->channels + c;
    if (!batch_norm_row_counts(rows, r))
        return 0;
    double z = normalised(x[at], ((const double *)call->saved[0]->data)[c],
                          ((const double *)call->saved[1]->data)[c],
                          ((const double *)call->in[BN_GAIN]->data)[c],
                          ((const double *)call->in[BN_BIAS]->data)[c]);
    return grad_y[at] *
           tern_activation_slope_ref((tern_activation)opts->activation,
                                     tern_activate_ref((tern_activation)opts->activation, z));
}

/* With h = (x - mean) / deviation and g the gradient of h * gain + bias,
 *
 *   grad_bias = sum g,  grad_gain = sum g h
 *   grad_x = gain / deviation * (g - sum g / n - h * sum(g h) / n)    in training,
 *            gain / deviation *  g                                    otherwise,
 *
 * since in training mean and deviation depend on x too. */
static void batch_norm_backward(tern_call *call)
{
    const batch_norm_rows rows = batch_norm_rows_of(call);
    const double *x = call->in[BN_X]->data, *gain = call->in[BN_GAIN]->data;
    double *grad_x = call->grad_in[BN_X] ? call->grad_in[BN_X]->data : NULL;
    double *grad_gain = call->grad_in[BN_GAIN] ? call->grad_in[BN_GAIN]->data : NULL;
    double *grad_bias = call->grad_in[BN_BIAS] ? call->grad_in[BN_BIAS]->data : NULL;
    int64_t valid = batch_norm_valid_rows(&rows);

    for (int64_t c = 0; c < rows.channels; c++) {
        double mean = ((const double *)call->saved[0]->data)[c];
        double inverse = ((const double *)call->saved[1]->data)[c];
        double sum = 0, sum_h = 0;
        for (int64_t r = 0; r < rows.rows; r++)
            if (batch_norm_row_counts(&rows, r)) {
                double g = grad_normalised(call, &rows, r, c);
                sum += g;
                sum_h += g * (x[r * rows.channels + c] - mean) * inverse;
            }
        if (grad_gain)
            grad_gain[c] = (call->accumulate[BN_GAIN] ? grad_gain[c] : 0) + sum_h;
        if (grad_bias)
            grad_bias[c] = (call->accumulate[BN_BIAS] ? grad_bias[c] : 0) + sum;
        for (int64_t r = 0; grad_x && r < rows.rows; r++) {
            int64_t at = r * rows.channels + c;
            double g = grad_normalised(call, &rows, r, c);
            if (call->training && batch_norm_row_counts(&rows, r))
                g -= (sum + (x[at] - mean) * inverse * sum_h) / (double)valid;
            grad_x[at] = (call->accumulate[BN_X] ? grad_x[at] : 0) + gain[c] * inverse * g;
        }
    }
}

const tern_impl tern_batch_norm_ref = {
    .op = "batch_norm", .backend = "ref", .provider = "hand",
    .forward = batch_norm_forward, .backward = batch_norm_backward,
};
