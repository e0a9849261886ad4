/* relu, leaky_relu, gelu, silu, sigmoid, tanh and softplus on cpu. */
#include "kernels/elementwise/activation_ops.h"

#include "kernels/elementwise/activation_cpu.h"
#include "kernels/elementwise/unary_cpu.h"

/* ----------------------------------------------------------------- relu -- */

static tern_vf relu_value(tern_vf x)
{
    return tern_vactivate(TERN_ACT_RELU, x);
}

static tern_vf relu_gradient(tern_vf grad_y, tern_vf y)
{
    return tern_select(y <= 0, (tern_vf){ 0 }, grad_y);
}

static const tern_unary relu_op = { .value = relu_value, .gradient = relu_gradient };

static void relu_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &relu_op);
}

static void relu_forward(tern_call *call) { tern_unary_forward(call, relu_tile, NULL); }
static void relu_backward(tern_call *call) { tern_unary_backward(call, relu_tile, NULL); }

const tern_impl TERN_LEVEL(tern_relu_cpu) = {
    .op = "relu", .backend = "cpu", .provider = "hand",
    .forward = relu_forward, .backward = relu_backward,
};

/* ----------------------------------------------------------- leaky_relu -- */

static tern_vf leaky_relu_value(tern_vf x, const float *slope)
{
    return tern_select(x > 0, x, *slope * x);
}

static tern_vf leaky_relu_gradient(tern_vf grad_y, tern_vf x, const float *slope)
{
    return tern_select(x > 0, grad_y, *slope * grad_y);
}

static const tern_unary leaky_relu_op = {
    .value_with = leaky_relu_value, .gradient_with = leaky_relu_gradient
};

static void leaky_relu_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &leaky_relu_op);
}

static void leaky_relu_forward(tern_call *call)
{
    const tern_leaky_relu_opts *opts = call->options;
    float option[TERN_UNARY_OPTIONS] = { (float)opts->slope };
    tern_unary_forward(call, leaky_relu_tile, option);
}

static void leaky_relu_backward(tern_call *call)
{
    const tern_leaky_relu_opts *opts = call->options;
    float option[TERN_UNARY_OPTIONS] = { (float)opts->slope };
    tern_unary_backward(call, leaky_relu_tile, option);
}

const tern_impl TERN_LEVEL(tern_leaky_relu_cpu) = {
    .op = "leaky_relu", .backend = "cpu", .provider = "hand",
    .forward = leaky_relu_forward, .backward = leaky_relu_backward,
};

/* ----------------------------------------------------------------- gelu -- */

static tern_vf gelu_gradient(tern_vf grad_y, tern_vf x)
{
    return grad_y * tern_vgelu_slope(x);
}

static tern_vf tanh_form_gradient(tern_vf grad_y, tern_vf x)
{
    return grad_y * tern_vgelu_tanh_slope(x);
}

static const tern_unary exact_op = { .value = tern_vgelu, .gradient = gelu_gradient };
static const tern_unary tanh_form_op = { .value = tern_vgelu_tanh,
                                         .gradient = tanh_form_gradient };

static void exact_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &exact_op);
}

static void tanh_form_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &tanh_form_op);
}

static tern_tile_fn gelu_tile(const tern_call *call)
{
    const tern_gelu_opts *opts = call->options;
    return opts->approximate == TERN_GELU_TANH ? tanh_form_tile : exact_tile;
}

static void gelu_forward(tern_call *call) { tern_unary_forward(call, gelu_tile(call), NULL); }
static void gelu_backward(tern_call *call) { tern_unary_backward(call, gelu_tile(call), NULL); }

void TERN_LEVEL(tern_activation_restore)(tern_call *call)
{
    tern_unary_task task = { .from = call->saved[0]->data, .to = call->out[0]->data };
    tern_unary_run(call, exact_tile, &task, NULL);
}

const tern_impl TERN_LEVEL(tern_gelu_cpu) = {
    .op = "gelu", .backend = "cpu", .provider = "hand",
    .forward = gelu_forward, .backward = gelu_backward,
};

/* ----------------------------------------------------------------- silu -- */

static tern_vf silu_value(tern_vf x)
{
    return x * tern_vsigmoid(x);
}

static tern_vf silu_gradient(tern_vf grad_y, tern_vf x)
{
    tern_vf density, s = tern_vlogistic(x, &density);
    return grad_y * (s + x * density);
}

static const tern_unary silu_op = { .value = silu_value, .gradient = silu_gradient };

static void silu_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &silu_op);
}

static void silu_forward(tern_call *call) { tern_unary_forward(call, silu_tile, NULL); }
static void silu_backward(tern_call *call) { tern_unary_backward(call, silu_tile, NULL); }

const tern_impl TERN_LEVEL(tern_silu_cpu) = {
    .op = "silu", .backend = "cpu", .provider = "hand",
    .forward = silu_forward, .backward = silu_backward,
};

/* -------------------------------------------------------------- sigmoid -- */

static tern_vf sigmoid_gradient(tern_vf grad_y, tern_vf y)
{
    return grad_y * tern_vactivation_slope(TERN_ACT_SIGMOID, y);
}

static const tern_unary sigmoid_op = { .value = tern_vsigmoid, .gradient = sigmoid_gradient };

static void sigmoid_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &sigmoid_op);
}

static void sigmoid_forward(tern_call *call) { tern_unary_forward(call, sigmoid_tile, NULL); }
static void sigmoid_backward(tern_call *call) { tern_unary_backward(call, sigmoid_tile, NULL); }

const tern_impl TERN_LEVEL(tern_sigmoid_cpu) = {
    .op = "sigmoid", .backend = "cpu", .provider = "hand",
    .forward = sigmoid_forward, .backward = sigmoid_backward,
};

/* ----------------------------------------------------------------- tanh -- */

static tern_vf tanh_gradient(tern_vf grad_y, tern_vf y)
{
    return grad_y * tern_vactivation_slope(TERN_ACT_TANH, y);
}

static const tern_unary tanh_op = { .value = tern_vtanh, .gradient = tanh_gradient };

static void tanh_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &tanh_op);
}

static void tanh_forward(tern_call *call) { tern_unary_forward(call, tanh_tile, NULL); }
static void tanh_backward(tern_call *call) { tern_unary_backward(call, tanh_tile, NULL); }

const tern_impl TERN_LEVEL(tern_tanh_cpu) = {
    .op = "tanh", .backend = "cpu", .provider = "hand",
    .forward = tanh_forward, .backward = tanh_backward,
};

/* ------------------------------------------------------------- softplus -- */

enum { BETA, THRESHOLD }; /* of option */

static tern_vf softplus_value(tern_vf x, const float *option)
{
    tern_vf scaled = option[BETA] * x;
    return tern_select(scaled > option[THRESHOLD], x, tern_vsoftplus(scaled) / option[BETA]);
}

static tern_vf softplus_gradient(tern_vf grad_y, tern_vf x, const float *option)
{
    tern_vf scaled = option[BETA] * x;
    tern_vf grad = grad_y * tern_vsigmoid(scaled);
    return tern_select(scaled > option[THRESHOLD], grad_y, grad);
}

static const tern_unary softplus_op = {
    .value_with = softplus_value, .gradient_with = softplus_gradient
};

static void softplus_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    tern_unary_tile(task, tile, &softplus_op);
}

static void softplus_forward(tern_call *call)
{
    const tern_softplus_opts *opts = call->options;
    float option[TERN_UNARY_OPTIONS] = { (float)opts->beta, (float)opts->threshold };
    tern_unary_forward(call, softplus_tile, option);
}

static void softplus_backward(tern_call *call)
{
    const tern_softplus_opts *opts = call->options;
    float option[TERN_UNARY_OPTIONS] = { (float)opts->beta, (float)opts->threshold };
    tern_unary_backward(call, softplus_tile, option);
}

const tern_impl TERN_LEVEL(tern_softplus_cpu) = {
    .op = "softplus", .backend = "cpu", .provider = "hand",
    .forward = softplus_forward, .backward = softplus_backward,
};
