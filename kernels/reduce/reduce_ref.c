/* Reductions on ref: plain loops over x in float64, the specification. */
#include "kernels/reduce/reduce.h"

#include "kernels/reduce/reduce_view.h"

#include <math.h>

static void fill(double *values, int64_t count, double value)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
}

/* y[o] = factor * sum of the x[i] that are reduced to o */
static void scaled_sum(const tern_call *call, const reduce_view *view, double factor, double *y)
{
    const double *x = call->in[0]->data;
    fill(y, view->outputs, 0);
    for (int64_t i = 0; i < call->in[0]->count; i++)
        y[tern_reduce_output(view, i)] += x[i];
    for (int64_t o = 0; o < view->outputs; o++)
        y[o] *= factor;
}

/* dx[i] = factor * dy[o] */
static void scaled_spread(tern_call *call, const reduce_view *view, double factor)
{
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;
    for (int64_t i = 0; i < call->in[0]->count; i++) {
        double grad = factor * grad_y[tern_reduce_output(view, i)];
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad;
    }
}

/* -------------------------------------------------------- sum and mean -- */

static void sum_forward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    scaled_sum(call, &view, 1, call->out[0]->data);
}

static void sum_backward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    scaled_spread(call, &view, 1);
}

static void mean_forward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    scaled_sum(call, &view, 1 / (double)view.terms, call->out[0]->data);
}

static void mean_backward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    scaled_spread(call, &view, 1 / (double)view.terms);
}

/* ----------------------------------------------------------------- max -- */

static void largest(const tern_call *call, const reduce_view *view, double *y)
{
    const double *x = call->in[0]->data;
    fill(y, view->outputs, -INFINITY);
    for (int64_t i = 0; i < call->in[0]->count; i++) {
        int64_t o = tern_reduce_output(view, i);
        if (x[i] > y[o] || isnan(x[i]))
            y[o] = x[i];
    }
}

static void max_forward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    largest(call, &view, call->out[0]->data);
}

/* dx[i] = dy[o] / number of x equal to y[o], where x[i] is one of them.  The maximum is
 * found again, which needs no more than x. */
static void max_backward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    const double *x = call->in[0]->data, *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data, *y = call->workspace, *equals = y + view.outputs;

    largest(call, &view, y);
    fill(equals, view.outputs, 0);
    for (int64_t i = 0; i < call->in[0]->count; i++) {
        int64_t o = tern_reduce_output(&view, i);
        equals[o] += x[i] == y[o];
    }
    for (int64_t i = 0; i < call->in[0]->count; i++) {
        int64_t o = tern_reduce_output(&view, i);
        double grad = (x[i] == y[o] ? grad_y[o] : 0) / equals[o];
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad;
    }
}

static size_t max_backward_workspace(const tern_call *call)
{
    return 2 * (size_t)tern_reduce_view(call).outputs * sizeof(double);
}

/* ----------------------------------------------------------------- var -- */

static void var_forward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;
    double *mean = call->saved[0] ? call->saved[0]->data : call->workspace;

    scaled_sum(call, &view, 1 / (double)view.terms, mean);
    fill(y, view.outputs, 0);
    for (int64_t i = 0; i < call->in[0]->count; i++) {
        int64_t o = tern_reduce_output(&view, i);
        y[o] += (x[i] - mean[o]) * (x[i] - mean[o]);
    }
    for (int64_t o = 0; o < view.outputs; o++)
        y[o] /= tern_var_divisor(call, &view);
}

static size_t var_forward_workspace(const tern_call *call)
{
    return (size_t)tern_reduce_view(call).outputs * sizeof(double);
}

/* dx[i] = dy[o] * 2 (x[i] - mean[o]) / divisor; what the mean's own gradient would add
 * is a sum of x - mean, which is zero. */
static void var_backward(tern_call *call)
{
    const reduce_view view = tern_reduce_view(call);
    const double *x = call->in[0]->data, *mean = call->saved[0]->data;
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data, factor = 2 / tern_var_divisor(call, &view);

    for (int64_t i = 0; i < call->in[0]->count; i++) {
        int64_t o = tern_reduce_output(&view, i);
        double grad = grad_y[o] * factor * (x[i] - mean[o]);
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad;
    }
}

const tern_impl tern_sum_ref = {
    .op = "sum", .backend = "ref", .provider = "hand",
    .forward = sum_forward, .backward = sum_backward,
};

const tern_impl tern_mean_ref = {
    .op = "mean", .backend = "ref", .provider = "hand",
    .forward = mean_forward, .backward = mean_backward,
};

const tern_impl tern_max_ref = {
    .op = "max", .backend = "ref", .provider = "hand",
    .forward = max_forward, .backward = max_backward,
    .backward_workspace = max_backward_workspace,
};

const tern_impl tern_var_ref = {
    .op = "var", .backend = "ref", .provider = "hand",
    .forward = var_forward, .backward = var_backward,
    .forward_workspace = var_forward_workspace,
};
