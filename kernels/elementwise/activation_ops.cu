/* relu, leaky_relu, gelu, silu, sigmoid, tanh and softplus on cuda, float32; see unary.cuh. */
#include "kernels/elementwise/activation_ops.h"

#include "kernels/elementwise/activation.cuh"
#include "kernels/elementwise/unary.cuh"

struct relu_function {
    __device__ float value(float x) const { return tern_activate(TERN_ACT_RELU, x); }
    __device__ float gradient(float grad_y, float y) const { return y <= 0 ? 0 : grad_y; }
};

struct leaky_relu_function {
    float slope;

    __device__ float value(float x) const { return x > 0 ? x : slope * x; }
    __device__ float gradient(float grad_y, float x) const
    {
        return x > 0 ? grad_y : slope * grad_y;
    }
};

struct gelu_function {
    __device__ float value(float x) const { return tern_geluf(x); }
    __device__ float gradient(float grad_y, float x) const { return grad_y * tern_gelu_slopef(x); }
};

struct gelu_tanh_function {
    __device__ float value(float x) const { return tern_gelu_tanhf(x); }
    __device__ float gradient(float grad_y, float x) const
    {
        return grad_y * tern_gelu_tanh_slopef(x);
    }
};

struct silu_function {
    __device__ float value(float x) const { return x * tern_sigmoidf(x); }
    __device__ float gradient(float grad_y, float x) const
    {
        float density, s = tern_logistic(x, &density);
        return grad_y * (s + x * density);
    }
};

struct sigmoid_function {
    __device__ float value(float x) const { return tern_sigmoidf(x); }
    __device__ float gradient(float grad_y, float y) const
    {
        return grad_y * tern_activation_slope(TERN_ACT_SIGMOID, y);
    }
};

struct tanh_function {
    __device__ float value(float x) const { return tern_tanhf(x); }
    __device__ float gradient(float grad_y, float y) const
    {
        return grad_y * tern_activation_slope(TERN_ACT_TANH, y);
    }
};

struct softplus_function {
    float beta, threshold;

    __device__ float value(float x) const
    {
        float scaled = beta * x;
        return scaled > threshold ? x : tern_softplusf(scaled) / beta;
    }
    __device__ float gradient(float grad_y, float x) const
    {
        float scaled = beta * x;
        return scaled > threshold ? grad_y : grad_y * tern_sigmoidf(scaled);
    }
};

/* ---------------------------------------------------------------- calls -- */

static void relu_forward(tern_call *call) { tern_unary_forward(call, "relu", relu_function()); }

static void relu_backward(tern_call *call)
{
    tern_unary_backward(call, "relu_grad", relu_function());
}

static leaky_relu_function leaky_relu_of(const tern_call *call)
{
    return { (float)static_cast<const tern_leaky_relu_opts *>(call->options)->slope };
}

static void leaky_relu_forward(tern_call *call)
{
    tern_unary_forward(call, "leaky_relu", leaky_relu_of(call));
}

static void leaky_relu_backward(tern_call *call)
{
    tern_unary_backward(call, "leaky_relu_grad", leaky_relu_of(call));
}

static bool is_tanh_form(const tern_call *call)
{
    return static_cast<const tern_gelu_opts *>(call->options)->approximate == TERN_GELU_TANH;
}

static void gelu_forward(tern_call *call)
{
    if (is_tanh_form(call))
        tern_unary_forward(call, "gelu_tanh", gelu_tanh_function());
    else
        tern_unary_forward(call, "gelu", gelu_function());
}

static void gelu_backward(tern_call *call)
{
    if (is_tanh_form(call))
        tern_unary_backward(call, "gelu_tanh_grad", gelu_tanh_function());
    else
        tern_unary_backward(call, "gelu_grad", gelu_function());
}

static void silu_forward(tern_call *call) { tern_unary_forward(call, "silu", silu_function()); }

static void silu_backward(tern_call *call)
{
    tern_unary_backward(call, "silu_grad", silu_function());
}

static void sigmoid_forward(tern_call *call)
{
    tern_unary_forward(call, "sigmoid", sigmoid_function());
}

static void sigmoid_backward(tern_call *call)
{
    tern_unary_backward(call, "sigmoid_grad", sigmoid_function());
}

static void tanh_forward(tern_call *call) { tern_unary_forward(call, "tanh", tanh_function()); }

static void tanh_backward(tern_call *call)
{
    tern_unary_backward(call, "tanh_grad", tanh_function());
}

static softplus_function softplus_of(const tern_call *call)
{
    const tern_softplus_opts *opts = static_cast<const tern_softplus_opts *>(call->options);
    return { (float)opts->beta, (float)opts->threshold };
}

static void softplus_forward(tern_call *call)
{
    tern_unary_forward(call, "softplus", softplus_of(call));
}

static void softplus_backward(tern_call *call)
{
    tern_unary_backward(call, "softplus_grad", softplus_of(call));
}

TERN_CUDA_IMPL(relu, relu_forward, relu_backward)
TERN_CUDA_IMPL(leaky_relu, leaky_relu_forward, leaky_relu_backward)
TERN_CUDA_IMPL(gelu, gelu_forward, gelu_backward)
TERN_CUDA_IMPL(silu, silu_forward, silu_backward)
TERN_CUDA_IMPL(sigmoid, sigmoid_forward, sigmoid_backward)
TERN_CUDA_IMPL(tanh, tanh_forward, tanh_backward)
TERN_CUDA_IMPL(softplus, softplus_forward, softplus_backward)
