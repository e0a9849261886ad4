/* relu, gelu, sigmoid and tanh on ref: the definitions stand in activation.c. */
#include "kernels/elementwise/unary.h"

#include "kernels/elementwise/activation.h"

static void forward(tern_call *call, tern_activation activation)
{
    const double *x = call->in[0]->data;
    double *y = call->out[0]->data;

    for (int64_t i = 0; i < call->in[0]->count; i++)
        y[i] = tern_activate_ref(activation, x[i]);
}

static void backward(tern_call *call, tern_activation activation)
{
    const double *x = call->in[0]->data, *y = call->out[0]->data; /* one of them is NULL */
    const double *grad_y = call->grad_out[0]->data;
    double *grad_x = call->grad_in[0]->data;

    for (int64_t i = 0; i < call->in[0]->count; i++) {
        double slope = tern_activation_slope_ref(activation, x ? x[i] : 0, y ? y[i] : 0);
        grad_x[i] = (call->accumulate[0] ? grad_x[i] : 0) + grad_y[i] * slope;
    }
}

static void relu_forward(tern_call *call) { forward(call, TERN_ACT_RELU); }
static void relu_backward(tern_call *call) { backward(call, TERN_ACT_RELU); }
static void gelu_forward(tern_call *call) { forward(call, TERN_ACT_GELU); }
static void gelu_backward(tern_call *call) { backward(call, TERN_ACT_GELU); }
static void sigmoid_forward(tern_call *call) { forward(call, TERN_ACT_SIGMOID); }
static void sigmoid_backward(tern_call *call) { backward(call, TERN_ACT_SIGMOID); }
static void tanh_forward(tern_call *call) { forward(call, TERN_ACT_TANH); }
static void tanh_backward(tern_call *call) { backward(call, TERN_ACT_TANH); }

const tern_impl tern_relu_ref = {
    .op = "relu", .backend = "ref", .provider = "hand",
    .forward = relu_forward, .backward = relu_backward,
};

const tern_impl tern_gelu_ref = {
    .op = "gelu", .backend = "ref", .provider = "hand",
    .forward = gelu_forward, .backward = gelu_backward,
};

const tern_impl tern_sigmoid_ref = {
    .op = "sigmoid", .backend = "ref", .provider = "hand",
    .forward = sigmoid_forward, .backward = sigmoid_backward,
};

const tern_impl tern_tanh_ref = {
    .op = "tanh", .backend = "ref", .provider = "hand",
    .forward = tanh_forward, .backward = tanh_backward,
};
