/* The contracts of relu, gelu, sigmoid and tanh; see unary.h. */
#include "kernels/elementwise/unary.h"

static void same_shape(tern_call *call)
{
    tern_declare_out(call, 0, call->in[0]->dtype, call->in[0]->rank, call->in[0]->shape);
}

/* One FLOP for each operation of the formula, exp and erf included. */
static void relu_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->in[0]->count;
    backward->flops = (double)call->in[0]->count;
}

static void smooth_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 4 * (double)call->in[0]->count;
    backward->flops = 3 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_relu = {
    .name = "relu",
    .summary = "rectified linear unit",
    .doc = "y = max(x, 0); the slope at 0 is 0",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = same_shape,
    .cost = relu_cost,
    .samples = samples,
};

const tern_op tern_op_gelu = {
    .name = "gelu",
    .summary = "Gaussian error linear unit, exact",
    .doc = "y = x * Phi(x), Phi the normal distribution, by erf",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .shape = same_shape,
    .cost = smooth_cost,
    .samples = samples,
};

const tern_op tern_op_sigmoid = {
    .name = "sigmoid",
    .summary = "logistic function",
    .doc = "y = 1 / (1 + exp(-x))",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = same_shape,
    .cost = smooth_cost,
    .samples = samples,
};

const tern_op tern_op_tanh = {
    .name = "tanh",
    .summary = "hyperbolic tangent",
    .doc = "y = (exp(2x) - 1) / (exp(2x) + 1)",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = same_shape,
    .cost = smooth_cost,
    .samples = samples,
};

tern_tensor *tern_relu(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_relu, &x, 1, NULL, NULL);
}

tern_tensor *tern_gelu(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_gelu, &x, 1, NULL, NULL);
}

tern_tensor *tern_sigmoid(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_sigmoid, &x, 1, NULL, NULL);
}

tern_tensor *tern_tanh(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_tanh, &x, 1, NULL, NULL);
}
