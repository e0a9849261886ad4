/* The contracts of relu, leaky_relu, gelu, silu, sigmoid, tanh and softplus; see
 * activation_ops.h. */
#include "kernels/elementwise/activation_ops.h"

#include "kernels/elementwise/unary.h"

/* relu and leaky_relu */
static void relu_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->in[0]->count;
    backward->flops = (double)call->in[0]->count;
}

/* One FLOP for each operation of the formula, exp and erf included. */
static void smooth_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 4 * (double)call->in[0]->count;
    backward->flops = 3 * (double)call->in[0]->count;
}

const tern_op tern_op_relu = {
    .name = "relu",
    .summary = "rectified linear unit",
    .doc = "y = max(x, 0); the slope at 0 is 0",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = tern_unary_shape,
    .cost = relu_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_silu = {
    .name = "silu",
    .summary = "sigmoid linear unit (swish)",
    .doc = "y = x / (1 + exp(-x))",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .shape = tern_unary_shape,
    .cost = smooth_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_sigmoid = {
    .name = "sigmoid",
    .summary = "logistic function",
    .doc = "y = 1 / (1 + exp(-x))",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = tern_unary_shape,
    .cost = smooth_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_tanh = {
    .name = "tanh",
    .summary = "hyperbolic tangent",
    .doc = "y = (exp(2x) - 1) / (exp(2x) + 1)",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = tern_unary_shape,
    .cost = smooth_cost,
    .samples = tern_unary_samples,
};

/* ----------------------------------------------------------- leaky_relu -- */

static const tern_option leaky_relu_options[] = {
    { .name = "slope", .type = TERN_OPTION_REAL, .offset = offsetof(tern_leaky_relu_opts, slope),
      .fallback = 0.01, .doc = "of negative x" },
    { 0 },
};

static const tern_sample leaky_relu_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[41]", "slope=0.3" },
    { TERN_SAMPLE_CHECK, "x=[17]", "slope=-1.5" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_leaky_relu = {
    .name = "leaky_relu",
    .summary = "rectified linear unit with a slope on the negative side",
    .doc = "y = x where x > 0, else slope * x; the slope at 0 is that of negative x",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_leaky_relu_opts),
    .options = leaky_relu_options,
    .shape = tern_unary_shape,
    .cost = relu_cost,
    .samples = leaky_relu_samples,
};

/* ----------------------------------------------------------------- gelu -- */

static const char *const gelu_forms[] = { "none", "tanh", NULL };

static const tern_option gelu_options[] = {
    { .name = "approximate", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_gelu_opts, approximate), .choices = gelu_forms,
      .doc = "none: exact, by erf; tanh: the tanh form" },
    { 0 },
};

static const tern_sample gelu_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,7]", "approximate=tanh" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "approximate=tanh" },
    { TERN_SAMPLE_CHECK, "x=[]", "approximate=tanh" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "approximate=tanh" },
    { 0, NULL, NULL },
};

const tern_op tern_op_gelu = {
    .name = "gelu",
    .summary = "Gaussian error linear unit, exact or in its tanh form",
    .doc = "y = x * Phi(x), Phi the normal distribution, by erf; or\n"
           "y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_gelu_opts),
    .options = gelu_options,
    .shape = tern_unary_shape,
    .cost = smooth_cost,
    .samples = gelu_samples,
};

/* ------------------------------------------------------------- softplus -- */

static const tern_option softplus_options[] = {
    { .name = "beta", .type = TERN_OPTION_REAL, .offset = offsetof(tern_softplus_opts, beta),
      .fallback = 1, .doc = "sharpness" },
    { .name = "threshold", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_softplus_opts, threshold), .fallback = 20,
      .doc = "of beta * x, from which on y = x" },
    { 0 },
};

static const tern_sample softplus_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,7]", "beta=3" },
    { TERN_SAMPLE_CHECK, "x=[41]{-4..4}", "beta=2 threshold=1.5" },
    { TERN_SAMPLE_CHECK, "x=[17]{-40..40}", "" },
    { TERN_SAMPLE_CHECK, "x=[17]{-40..40}", "threshold=100" },
    { TERN_SAMPLE_CHECK, "x=[13]", "beta=-1" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_softplus = {
    .name = "softplus",
    .summary = "smooth form of relu",
    .doc = "y = log(1 + exp(beta * x)) / beta, and x where beta * x > threshold",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_softplus_opts),
    .options = softplus_options,
    .shape = tern_unary_shape,
    .cost = smooth_cost,
    .samples = softplus_samples,
};

/* --------------------------------------------------------------- public -- */

tern_tensor *tern_relu(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_relu, &x, 1, NULL, NULL);
}

tern_tensor *tern_leaky_relu(tern_ctx *ctx, tern_tensor *x, tern_leaky_relu_opts opts)
{
    return tern_apply(ctx, &tern_op_leaky_relu, &x, 1, &opts, NULL);
}

tern_tensor *tern_gelu(tern_ctx *ctx, tern_tensor *x, tern_gelu_opts opts)
{
    return tern_apply(ctx, &tern_op_gelu, &x, 1, &opts, NULL);
}

tern_tensor *tern_silu(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_silu, &x, 1, NULL, NULL);
}

tern_tensor *tern_sigmoid(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_sigmoid, &x, 1, NULL, NULL);
}

tern_tensor *tern_tanh(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_tanh, &x, 1, NULL, NULL);
}

tern_tensor *tern_softplus(tern_ctx *ctx, tern_tensor *x, tern_softplus_opts opts)
{
    return tern_apply(ctx, &tern_op_softplus, &x, 1, &opts, NULL);
}

tern_tensor *tern_activate(tern_ctx *ctx, tern_tensor *x, tern_activation activation)
{
    switch (activation) {
    case TERN_ACT_NONE: return x;
    case TERN_ACT_RELU: return tern_relu(ctx, x);
    case TERN_ACT_GELU: return tern_gelu(ctx, x, (tern_gelu_opts){ 0 });
    case TERN_ACT_SIGMOID: return tern_sigmoid(ctx, x);
    case TERN_ACT_TANH: return tern_tanh(ctx, x);
    }
    tern_fail(ctx, TERN_ERR_OPTION, "there is no activation number %d", (int)activation);
    return tern_nil(ctx);
}
