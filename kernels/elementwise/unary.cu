/* neg, abs, exp, log, sqrt and clamp on cuda, float32; see unary.cuh. */
#include "kernels/elementwise/unary.h"

#include <math.h>

#include "core/smath.h"
#include "kernels/elementwise/unary.cuh"

struct neg_function {
    __device__ float value(float x) const { return -x; }
    __device__ float gradient(float grad_y, float) const { return -grad_y; }
};

struct abs_function {
    __device__ float value(float x) const { return fabsf(x); }
    __device__ float gradient(float grad_y, float x) const
    {
        return x > 0 ? grad_y : x < 0 ? -grad_y : 0;
    }
};

struct exp_function {
    __device__ float value(float x) const { return tern_expf(x); }
    __device__ float gradient(float grad_y, float y) const { return grad_y * y; }
};

struct log_function {
    __device__ float value(float x) const { return tern_logf(x); }
    __device__ float gradient(float grad_y, float x) const { return grad_y / x; }
};

struct sqrt_function {
    __device__ float value(float x) const { return sqrtf(x); }
    __device__ float gradient(float grad_y, float y) const { return grad_y / (2.0f * y); }
};

/* A bound that is not set is NaN, to which nothing compares. */
struct clamp_function {
    float low, high;

    __device__ float value(float x) const
    {
        x = x < low ? low : x;
        return x > high ? high : x;
    }
    __device__ float gradient(float grad_y, float x) const
    {
        return x <= low || x >= high || x != x ? 0 : grad_y;
    }
};

static clamp_function clamp_of(const tern_call *call)
{
    const tern_clamp_opts *opts = static_cast<const tern_clamp_opts *>(call->options);
    return { opts->has_min ? (float)opts->min : NAN, opts->has_max ? (float)opts->max : NAN };
}

static void neg_forward(tern_call *call) { tern_unary_forward(call, "neg", neg_function()); }
static void neg_backward(tern_call *call) { tern_unary_backward(call, "neg_grad", neg_function()); }
static void abs_forward(tern_call *call) { tern_unary_forward(call, "abs", abs_function()); }
static void abs_backward(tern_call *call) { tern_unary_backward(call, "abs_grad", abs_function()); }
static void exp_forward(tern_call *call) { tern_unary_forward(call, "exp", exp_function()); }
static void exp_backward(tern_call *call) { tern_unary_backward(call, "exp_grad", exp_function()); }
static void log_forward(tern_call *call) { tern_unary_forward(call, "log", log_function()); }
static void log_backward(tern_call *call) { tern_unary_backward(call, "log_grad", log_function()); }
static void sqrt_forward(tern_call *call) { tern_unary_forward(call, "sqrt", sqrt_function()); }

static void sqrt_backward(tern_call *call)
{
    tern_unary_backward(call, "sqrt_grad", sqrt_function());
}

static void clamp_forward(tern_call *call) { tern_unary_forward(call, "clamp", clamp_of(call)); }

static void clamp_backward(tern_call *call)
{
    tern_unary_backward(call, "clamp_grad", clamp_of(call));
}

TERN_CUDA_IMPL(neg, neg_forward, neg_backward)
TERN_CUDA_IMPL(abs, abs_forward, abs_backward)
TERN_CUDA_IMPL(exp, exp_forward, exp_backward)
TERN_CUDA_IMPL(log, log_forward, log_backward)
TERN_CUDA_IMPL(sqrt, sqrt_forward, sqrt_backward)
TERN_CUDA_IMPL(clamp, clamp_forward, clamp_backward)
