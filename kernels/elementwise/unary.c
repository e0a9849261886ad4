/* The contracts of neg, abs, exp, log, sqrt and clamp; see unary.h. */
#include "kernels/elementwise/unary.h"

void tern_unary_shape(tern_call *call)
{
    tern_declare_out(call, 0, call->in[0]->dtype, call->in[0]->rank, call->in[0]->shape);
}

static void simple_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = backward->flops = (double)call->in[0]->count;
}

/* exp and log */
static void series_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 20 * (double)call->in[0]->count;
    backward->flops = (double)call->in[0]->count;
}

/* Reals without a range keep off 0, where abs and relu have their kink. */
const tern_sample tern_unary_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

/* For log and sqrt, off their poles at 0. */
static const tern_sample positive_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]{0.1..4}", "" },
    { TERN_SAMPLE_CHECK, "x=[1]{1..2}", "" },
    { TERN_SAMPLE_CHECK, "x=[]{1..2}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{20..300}", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]{0.1..4}", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_neg = {
    .name = "neg",
    .summary = "negative of a tensor",
    .doc = "y = -x",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .shape = tern_unary_shape,
    .cost = simple_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_abs = {
    .name = "abs",
    .summary = "absolute value",
    .doc = "y = |x|; the slope at 0 is 0",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .shape = tern_unary_shape,
    .cost = simple_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_exp = {
    .name = "exp",
    .summary = "exponential function",
    .doc = "y = e^x",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = tern_unary_shape,
    .cost = series_cost,
    .samples = tern_unary_samples,
};

const tern_op tern_op_log = {
    .name = "log",
    .summary = "natural logarithm",
    .doc = "y = log(x); -inf at 0, NaN below",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .shape = tern_unary_shape,
    .cost = series_cost,
    .samples = positive_samples,
};

const tern_op tern_op_sqrt = {
    .name = "sqrt",
    .summary = "square root",
    .doc = "y = sqrt(x); NaN below 0, and an infinite slope at 0",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[...]" } },
    .shape = tern_unary_shape,
    .cost = simple_cost,
    .samples = positive_samples,
};

/* ---------------------------------------------------------------- clamp -- */

static const tern_option clamp_options[] = {
    { .name = "min", .type = TERN_OPTION_REAL, .offset = offsetof(tern_clamp_opts, min),
      .has_offset = offsetof(tern_clamp_opts, has_min), .doc = "lower bound" },
    { .name = "max", .type = TERN_OPTION_REAL, .offset = offsetof(tern_clamp_opts, max),
      .has_offset = offsetof(tern_clamp_opts, has_max), .doc = "upper bound" },
    { 0 },
};

static void clamp_shape(tern_call *call)
{
    const tern_clamp_opts *opts = call->options;
    if (!opts->has_min && !opts->has_max)
        tern_call_fail(call, TERN_ERR_OPTION, "neither min nor max is given");
    else if (opts->min != 0 && !opts->has_min)
        tern_call_fail(call, TERN_ERR_OPTION, "min is %g, but has_min is not set", opts->min);
    else if (opts->max != 0 && !opts->has_max)
        tern_call_fail(call, TERN_ERR_OPTION, "max is %g, but has_max is not set", opts->max);
    else
        tern_unary_shape(call);
}

static const tern_sample clamp_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "min=0" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]{-6..6}", "min=-2.5 max=1.5" },
    { TERN_SAMPLE_CHECK, "x=[17]{-1..1}", "max=0.25" },
    { TERN_SAMPLE_CHECK, "x=[1]", "min=7" },
    { TERN_SAMPLE_CHECK, "x=[]", "min=0 max=0" },
    { TERN_SAMPLE_CHECK, "x=[5]", "min=2 max=-1" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "max=0" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "min=-1 max=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_clamp = {
    .name = "clamp",
    .summary = "limits from below and above",
    .doc = "y = min(max(x, min), max), as far as they are given;\n"
           "the slope is 1 between the bounds, and 0 on them",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_clamp_opts),
    .options = clamp_options,
    .shape = clamp_shape,
    .cost = simple_cost,
    .samples = clamp_samples,
};

/* --------------------------------------------------------------- public -- */

tern_tensor *tern_neg(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_neg, &x, 1, NULL, NULL);
}

tern_tensor *tern_abs(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_abs, &x, 1, NULL, NULL);
}

tern_tensor *tern_exp(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_exp, &x, 1, NULL, NULL);
}

tern_tensor *tern_log(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_log, &x, 1, NULL, NULL);
}

tern_tensor *tern_sqrt(tern_ctx *ctx, tern_tensor *x)
{
    return tern_apply(ctx, &tern_op_sqrt, &x, 1, NULL, NULL);
}

tern_tensor *tern_clamp(tern_ctx *ctx, tern_tensor *x, tern_clamp_opts opts)
{
    return tern_apply(ctx, &tern_op_clamp, &x, 1, &opts, NULL);
}
