/* conv2d on ref: nested loops in float64, the specification. */
#include "kernels/conv2d/conv2d.h"

#include "kernels/conv2d/conv2d_geometry.h"

static int64_t x_at(const conv2d_geometry *g, int64_t n, int64_t row, int64_t column, int64_t i)
{
    return ((n * g->rows + row) * g->columns + column) * g->inputs + i;
}

static int64_t y_at(const conv2d_geometry *g, int64_t n, int64_t p, int64_t q, int64_t o)
{
    return ((n * g->out_rows + p) * g->out_columns + q) * g->outputs + o;
}

static int64_t weight_at(const conv2d_geometry *g, int64_t o, int64_t u, int64_t v, int64_t i)
{
    return ((o * g->kernel_rows + u) * g->kernel_columns + v) * g->group_inputs + i;
}

/* The first input channel that output channel o sees. */
static int64_t first_input(const conv2d_geometry *g, int64_t o)
{
    return o / g->group_outputs * g->group_inputs;
}

/* The input pixel under kernel element (u, v) for output pixel (p, q); false if
 * it lies in the padding. */
static bool pixel_under(const conv2d_geometry *g, int64_t p, int64_t q, int64_t u, int64_t v,
                        int64_t *row, int64_t *column)
{
    *row = p * g->row_stride + u * g->row_dilation - g->row_pad;
    *column = q * g->column_stride + v * g->column_dilation - g->column_pad;
    return *row >= 0 && *row < g->rows && *column >= 0 && *column < g->columns;
}

/* The sum of one output element, before bias and activation. */
static double weighted_sum(const conv2d_geometry *g, const double *x, const double *weight,
                           int64_t n, int64_t p, int64_t q, int64_t o)
{
    double sum = 0;
    int64_t row, column;
    for (int64_t u = 0; u < g->kernel_rows; u++)
        for (int64_t v = 0; v < g->kernel_columns; v++) {
            if (!pixel_under(g, p, q, u, v, &row, &column))
                continue;
            for (int64_t i = 0; i < g->group_inputs; i++)
                sum += x[x_at(g, n, row, column, first_input(g, o) + i)] *
                       weight[weight_at(g, o, u, v, i)];
        }
    return sum;
}

static void conv2d_forward(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const conv2d_geometry g = conv2d_geometry_of(call);
    const double *x = call->in[0]->data, *weight = call->in[1]->data;
    const double *bias = call->in[2] ? call->in[2]->data : NULL;
    double *y = call->out[0]->data;
    double *before = call->saved[0] ? call->saved[0]->data : NULL;

    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.out_rows; p++)
            for (int64_t q = 0; q < g.out_columns; q++)
                for (int64_t o = 0; o < g.outputs; o++) {
                    double sum = weighted_sum(&g, x, weight, n, p, q, o) + (bias ? bias[o] : 0);
                    if (before)
                        before[y_at(&g, n, p, q, o)] = sum;
                    y[y_at(&g, n, p, q, o)] =
                        tern_activate_ref((tern_activation)opts->activation, sum);
                }
}

/* Spread the gradient of one output element, taken before the activation, over
 * the inputs and weights that it came from. */
static void spread_gradient(const conv2d_geometry *g, const tern_call *call, int64_t n, int64_t p,
                            int64_t q, int64_t o, double grad)
{
    const double *x = call->in[0]->data, *weight = call->in[1]->data;
    double *grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL;
    double *grad_weight = call->grad_in[1] ? call->grad_in[1]->data : NULL;
    int64_t row, column;

    for (int64_t u = 0; u < g->kernel_rows; u++)
        for (int64_t v = 0; v < g->kernel_columns; v++) {
            if (!pixel_under(g, p, q, u, v, &row, &column))
                continue;
            for (int64_t i = 0; i < g->group_inputs; i++) {
                int64_t from = x_at(g, n, row, column, first_input(g, o) + i);
                int64_t by = weight_at(g, o, u, v, i);
                if (grad_x)
                    grad_x[from] += grad * weight[by];
                if (grad_weight)
                    grad_weight[by] += grad * x[from];
            }
        }
}

static void conv2d_backward(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const conv2d_geometry g = conv2d_geometry_of(call);
    const double *kept = tern_activation_kept(call), *grad_y = call->grad_out[0]->data;
    double *grad_bias = call->grad_in[2] ? call->grad_in[2]->data : NULL;

    for (int input = 0; input < 3; input++) {
        if (!call->grad_in[input] || call->accumulate[input])
            continue;
        double *grad = call->grad_in[input]->data;
        for (int64_t i = 0; i < call->grad_in[input]->count; i++)
            grad[i] = 0;
    }
    for (int64_t n = 0; n < g.images; n++)
        for (int64_t p = 0; p < g.out_rows; p++)
            for (int64_t q = 0; q < g.out_columns; q++)
                for (int64_t o = 0; o < g.outputs; o++) {
                    int64_t at = y_at(&g, n, p, q, o);
                    double grad = grad_y[at] * tern_activation_slope_ref(
                                                   (tern_activation)opts->activation,
                                                   kept ? kept[at] : 0);
                    if (grad_bias)
                        grad_bias[o] += grad;
                    spread_gradient(&g, call, n, p, q, o, grad);
                }
}

const tern_impl tern_conv2d_ref = {
    .op = "conv2d", .backend = "ref", .provider = "hand",
    .forward = conv2d_forward, .backward = conv2d_backward,
    .restore = tern_activation_restore_ref,
};

const tern_impl tern_conv1d_ref = {
    .op = "conv1d", .backend = "ref", .provider = "hand",
    .forward = conv2d_forward, .backward = conv2d_backward,
    .restore = tern_activation_restore_ref,
};
