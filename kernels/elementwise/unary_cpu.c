/* neg, abs, exp, log, sqrt and clamp on cpu. */
#include "kernels/elementwise/unary.h"

#include <math.h>

#include "core/vmath.h"
#include "kernels/elementwise/unary_cpu.h"

/* ------------------------------------------------------------------ neg -- */

static tern_vf neg_value(tern_vf x)
{
    return -x;
}

static tern_vf neg_gradient(tern_vf grad_y, tern_vf known)
{
    (void)known;
    return -grad_y;
}

static const tern_unary neg_op = { .value = neg_value, .gradient = neg_gradient };

static void neg_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &neg_op);
}

static void neg_forward(tern_call *call) { tern_unary_forward(call, neg_tile, NULL); }
static void neg_backward(tern_call *call) { tern_unary_backward(call, neg_tile, NULL); }

const tern_impl TERN_LEVEL(tern_neg_cpu) = {
    .op = "neg", .backend = "cpu", .provider = "hand",
    .forward = neg_forward, .backward = neg_backward,
};

/* ------------------------------------------------------------------ abs -- */

static tern_vf abs_gradient(tern_vf grad_y, tern_vf x)
{
    tern_vf zero = { 0 };
    return tern_select(x > 0, grad_y, tern_select(x < 0, -grad_y, zero));
}

static const tern_unary abs_op = { .value = tern_vabs, .gradient = abs_gradient };

static void abs_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &abs_op);
}

static void abs_forward(tern_call *call) { tern_unary_forward(call, abs_tile, NULL); }
static void abs_backward(tern_call *call) { tern_unary_backward(call, abs_tile, NULL); }

const tern_impl TERN_LEVEL(tern_abs_cpu) = {
    .op = "abs", .backend = "cpu", .provider = "hand",
    .forward = abs_forward, .backward = abs_backward,
};

/* ------------------------------------------------------------------ exp -- */

static tern_vf exp_gradient(tern_vf grad_y, tern_vf y)
{
    return grad_y * y;
}

static const tern_unary exp_op = { .value = tern_vexp, .gradient = exp_gradient };

static void exp_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &exp_op);
}

static void exp_forward(tern_call *call) { tern_unary_forward(call, exp_tile, NULL); }
static void exp_backward(tern_call *call) { tern_unary_backward(call, exp_tile, NULL); }

const tern_impl TERN_LEVEL(tern_exp_cpu) = {
    .op = "exp", .backend = "cpu", .provider = "hand",
    .forward = exp_forward, .backward = exp_backward,
};

/* ------------------------------------------------------------------ log -- */

static tern_vf log_gradient(tern_vf grad_y, tern_vf x)
{
    return grad_y / x;
}

static const tern_unary log_op = { .value = tern_vlog, .gradient = log_gradient };

static void log_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &log_op);
}

static void log_forward(tern_call *call) { tern_unary_forward(call, log_tile, NULL); }
static void log_backward(tern_call *call) { tern_unary_backward(call, log_tile, NULL); }

const tern_impl TERN_LEVEL(tern_log_cpu) = {
    .op = "log", .backend = "cpu", .provider = "hand",
    .forward = log_forward, .backward = log_backward,
};

/* ----------------------------------------------------------------- sqrt -- */

static tern_vf sqrt_gradient(tern_vf grad_y, tern_vf y)
{
    return grad_y / (2.0f * y);
}

static const tern_unary sqrt_op = { .value = tern_vsqrt, .gradient = sqrt_gradient };

static void sqrt_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &sqrt_op);
}

static void sqrt_forward(tern_call *call) { tern_unary_forward(call, sqrt_tile, NULL); }
static void sqrt_backward(tern_call *call) { tern_unary_backward(call, sqrt_tile, NULL); }

const tern_impl TERN_LEVEL(tern_sqrt_cpu) = {
    .op = "sqrt", .backend = "cpu", .provider = "hand",
    .forward = sqrt_forward, .backward = sqrt_backward,
};

/* ---------------------------------------------------------------- clamp -- */

static tern_vf clamp_value(tern_vf x, const float *bound)
{
    tern_vf low = tern_splat(bound[0]), high = tern_splat(bound[1]);
    x = tern_select(x < low, low, x);
    return tern_select(x > high, high, x);
}

static tern_vf clamp_gradient(tern_vf grad_y, tern_vf x, const float *bound)
{
    tern_vi is_nan = x != x; // NOLINT(misc-redundant-expression)
    tern_vi stopped = (x <= bound[0]) | (x >= bound[1]) | is_nan;
    return tern_select(stopped, (tern_vf){ 0 }, grad_y);
}

static const tern_unary clamp_op = {
    .value_with = clamp_value, .gradient_with = clamp_gradient
};

static void clamp_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &clamp_op);
}

/* A bound that is not set is NaN, to which nothing compares. */
static void find_bounds(const tern_call *call, float bound[TERN_UNARY_OPTIONS])
{
    const tern_clamp_opts *opts = call->options;
    bound[0] = opts->has_min ? (float)opts->min : NAN;
    bound[1] = opts->has_max ? (float)opts->max : NAN;
}

static void clamp_forward(tern_call *call)
{
    float bound[TERN_UNARY_OPTIONS];
    find_bounds(call, bound);
    tern_unary_forward(call, clamp_tile, bound);
}

static void clamp_backward(tern_call *call)
{
    float bound[TERN_UNARY_OPTIONS];
    find_bounds(call, bound);
    tern_unary_backward(call, clamp_tile, bound);
}

const tern_impl TERN_LEVEL(tern_clamp_cpu) = {
    .op = "clamp", .backend = "cpu", .provider = "hand",
    .forward = clamp_forward, .backward = clamp_backward,
};
