/* relu, leaky_relu, gelu, silu, sigmoid, tanh and softplus on ref; what other ops fuse
 * is defined in activation.c. */
#include "kernels/elementwise/activation_ops.h"

#include <math.h>

#include "kernels/elementwise/activation.h"
#include "kernels/elementwise/unary_ref.h"

static double logistic(double x)
{
    return tern_activate_ref(TERN_ACT_SIGMOID, x);
}

/* ----------------------------------------------------------------- relu -- */

static double relu_value(double x)
{
    return tern_activate_ref(TERN_ACT_RELU, x);
}

static double relu_gradient(double grad_y, double y)
{
    return y <= 0 ? 0 : grad_y;
}

static const tern_unary_ref relu_op = { .value = relu_value, .gradient = relu_gradient };

static void relu_forward(tern_call *call) { tern_unary_ref_forward(call, &relu_op); }
static void relu_backward(tern_call *call) { tern_unary_ref_backward(call, &relu_op); }

const tern_impl tern_relu_ref = {
    .op = "relu", .backend = "ref", .provider = "hand",
    .forward = relu_forward, .backward = relu_backward,
};

/* ----------------------------------------------------------- leaky_relu -- */

static double leaky_relu_value(double x, const void *options)
{
    const tern_leaky_relu_opts *opts = options;
    return x > 0 ? x : opts->slope * x;
}

static double leaky_relu_gradient(double grad_y, double x, const void *options)
{
    const tern_leaky_relu_opts *opts = options;
    return x > 0 ? grad_y : opts->slope * grad_y;
}

static const tern_unary_ref leaky_relu_op = {
    .value_with = leaky_relu_value, .gradient_with = leaky_relu_gradient
};

static void leaky_relu_forward(tern_call *call) { tern_unary_ref_forward(call, &leaky_relu_op); }
static void leaky_relu_backward(tern_call *call) { tern_unary_ref_backward(call, &leaky_relu_op); }

const tern_impl tern_leaky_relu_ref = {
    .op = "leaky_relu", .backend = "ref", .provider = "hand",
    .forward = leaky_relu_forward, .backward = leaky_relu_backward,
};

/* ----------------------------------------------------------------- gelu -- */

/* The tanh form as x * sigmoid(2u), as (1 + tanh(u)) / 2 = sigmoid(2u): nothing cancels. */
static const double TWICE_ROOT_2_PI = 1.5957691216057307118; /* 2 sqrt(2/pi) */
static const double CUBIC = 0.044715;

static double gelu_value(double x, const void *options)
{
    const tern_gelu_opts *opts = options;
    if (opts->approximate == TERN_GELU_TANH)
        return x * logistic(TWICE_ROOT_2_PI * (x + CUBIC * x * x * x));
    return tern_activate_ref(TERN_ACT_GELU, x);
}

static double gelu_gradient(double grad_y, double x, const void *options)
{
    const tern_gelu_opts *opts = options;
    if (opts->approximate != TERN_GELU_TANH)
        return grad_y * tern_activation_slope_ref(TERN_ACT_GELU, x);
    double share = logistic(TWICE_ROOT_2_PI * (x + CUBIC * x * x * x));
    double inner = TWICE_ROOT_2_PI * (1 + 3 * CUBIC * x * x);
    return grad_y * (share + x * share * (1 - share) * inner);
}

static const tern_unary_ref gelu_op = {
    .value_with = gelu_value, .gradient_with = gelu_gradient
};

static void gelu_forward(tern_call *call) { tern_unary_ref_forward(call, &gelu_op); }
static void gelu_backward(tern_call *call) { tern_unary_ref_backward(call, &gelu_op); }

const tern_impl tern_gelu_ref = {
    .op = "gelu", .backend = "ref", .provider = "hand",
    .forward = gelu_forward, .backward = gelu_backward,
};

/* ----------------------------------------------------------------- silu -- */

static double silu_value(double x)
{
    return x * logistic(x);
}

static double silu_gradient(double grad_y, double x)
{
    double s = logistic(x);
    return grad_y * (s * (1 + x * (1 - s)));
}

static const tern_unary_ref silu_op = { .value = silu_value, .gradient = silu_gradient };

static void silu_forward(tern_call *call) { tern_unary_ref_forward(call, &silu_op); }
static void silu_backward(tern_call *call) { tern_unary_ref_backward(call, &silu_op); }

const tern_impl tern_silu_ref = {
    .op = "silu", .backend = "ref", .provider = "hand",
    .forward = silu_forward, .backward = silu_backward,
};

/* -------------------------------------------------------------- sigmoid -- */

static double sigmoid_gradient(double grad_y, double y)
{
    return grad_y * tern_activation_slope_ref(TERN_ACT_SIGMOID, y);
}

static const tern_unary_ref sigmoid_op = { .value = logistic, .gradient = sigmoid_gradient };

static void sigmoid_forward(tern_call *call) { tern_unary_ref_forward(call, &sigmoid_op); }
static void sigmoid_backward(tern_call *call) { tern_unary_ref_backward(call, &sigmoid_op); }

const tern_impl tern_sigmoid_ref = {
    .op = "sigmoid", .backend = "ref", .provider = "hand",
    .forward = sigmoid_forward, .backward = sigmoid_backward,
};

/* ----------------------------------------------------------------- tanh -- */

static double tanh_gradient(double grad_y, double y)
{
    return grad_y * tern_activation_slope_ref(TERN_ACT_TANH, y);
}

static const tern_unary_ref tanh_op = { .value = tanh, .gradient = tanh_gradient };

static void tanh_forward(tern_call *call) { tern_unary_ref_forward(call, &tanh_op); }
static void tanh_backward(tern_call *call) { tern_unary_ref_backward(call, &tanh_op); }

const tern_impl tern_tanh_ref = {
    .op = "tanh", .backend = "ref", .provider = "hand",
    .forward = tanh_forward, .backward = tanh_backward,
};

/* ------------------------------------------------------------- softplus -- */

static double softplus_value(double x, const void *options)
{
    const tern_softplus_opts *opts = options;
    double scaled = opts->beta * x;
    if (scaled > opts->threshold)
        return x;
    /* log(1 + e^s) without overflow */
    return ((scaled > 0 ? scaled : 0) + log1p(exp(-fabs(scaled)))) / opts->beta;
}

static double softplus_gradient(double grad_y, double x, const void *options)
{
    const tern_softplus_opts *opts = options;
    double scaled = opts->beta * x;
    return scaled > opts->threshold ? grad_y : grad_y * logistic(scaled);
}

static const tern_unary_ref softplus_op = {
    .value_with = softplus_value, .gradient_with = softplus_gradient
};

static void softplus_forward(tern_call *call) { tern_unary_ref_forward(call, &softplus_op); }
static void softplus_backward(tern_call *call) { tern_unary_ref_backward(call, &softplus_op); }

const tern_impl tern_softplus_ref = {
    .op = "softplus", .backend = "ref", .provider = "hand",
    .forward = softplus_forward, .backward = softplus_backward,
};
