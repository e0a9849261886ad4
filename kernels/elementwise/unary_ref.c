/* neg, abs, exp, log, sqrt and clamp on ref. */
#include "kernels/elementwise/unary.h"

#include <math.h>

#include "kernels/elementwise/unary_ref.h"

/* ------------------------------------------------------------------ neg -- */

static double neg_value(double x)
{
    return -x;
}

static double neg_gradient(double grad_y, double known)
{
    (void)known;
    return -grad_y;
}

static const tern_unary_ref neg_op = { .value = neg_value, .gradient = neg_gradient };

static void neg_forward(tern_call *call) { tern_unary_ref_forward(call, &neg_op); }
static void neg_backward(tern_call *call) { tern_unary_ref_backward(call, &neg_op); }

const tern_impl tern_neg_ref = {
    .op = "neg", .backend = "ref", .provider = "hand",
    .forward = neg_forward, .backward = neg_backward,
};

/* ------------------------------------------------------------------ abs -- */

static double abs_gradient(double grad_y, double x)
{
    return x > 0 ? grad_y : x < 0 ? -grad_y : 0;
}

static const tern_unary_ref abs_op = { .value = fabs, .gradient = abs_gradient };

static void abs_forward(tern_call *call) { tern_unary_ref_forward(call, &abs_op); }
static void abs_backward(tern_call *call) { tern_unary_ref_backward(call, &abs_op); }

const tern_impl tern_abs_ref = {
    .op = "abs", .backend = "ref", .provider = "hand",
    .forward = abs_forward, .backward = abs_backward,
};

/* ------------------------------------------------------------------ exp -- */

static double exp_gradient(double grad_y, double y)
{
    return grad_y * y;
}

static const tern_unary_ref exp_op = { .value = exp, .gradient = exp_gradient };

static void exp_forward(tern_call *call) { tern_unary_ref_forward(call, &exp_op); }
static void exp_backward(tern_call *call) { tern_unary_ref_backward(call, &exp_op); }

const tern_impl tern_exp_ref = {
    .op = "exp", .backend = "ref", .provider = "hand",
    .forward = exp_forward, .backward = exp_backward,
};

/* ------------------------------------------------------------------ log -- */

static double log_gradient(double grad_y, double x)
{
    return grad_y / x;
}

static const tern_unary_ref log_op = { .value = log, .gradient = log_gradient };

static void log_forward(tern_call *call) { tern_unary_ref_forward(call, &log_op); }
static void log_backward(tern_call *call) { tern_unary_ref_backward(call, &log_op); }

const tern_impl tern_log_ref = {
    .op = "log", .backend = "ref", .provider = "hand",
    .forward = log_forward, .backward = log_backward,
};

/* ----------------------------------------------------------------- sqrt -- */

static double sqrt_gradient(double grad_y, double y)
{
    return grad_y / (2 * y);
}

static const tern_unary_ref sqrt_op = { .value = sqrt, .gradient = sqrt_gradient };

static void sqrt_forward(tern_call *call) { tern_unary_ref_forward(call, &sqrt_op); }
static void sqrt_backward(tern_call *call) { tern_unary_ref_backward(call, &sqrt_op); }

const tern_impl tern_sqrt_ref = {
    .op = "sqrt", .backend = "ref", .provider = "hand",
    .forward = sqrt_forward, .backward = sqrt_backward,
};

/* ---------------------------------------------------------------- clamp -- */

static double clamp_value(double x, const void *options)
{
    const tern_clamp_opts *opts = options;
    if (opts->has_min && x < opts->min)
        x = opts->min;
    return opts->has_max && x > opts->max ? opts->max : x; /* keeps NaN */
}

static double clamp_gradient(double grad_y, double x, const void *options)
{
    const tern_clamp_opts *opts = options;
    bool above = !opts->has_min || x > opts->min, below = !opts->has_max || x < opts->max;
    return above && below ? grad_y : 0;
}

static const tern_unary_ref clamp_op = {
    .value_with = clamp_value, .gradient_with = clamp_gradient
};

static void clamp_forward(tern_call *call) { tern_unary_ref_forward(call, &clamp_op); }
static void clamp_backward(tern_call *call) { tern_unary_ref_backward(call, &clamp_op); }

const tern_impl tern_clamp_ref = {
    .op = "clamp", .backend = "ref", .provider = "hand",
    .forward = clamp_forward, .backward = clamp_backward,
};
