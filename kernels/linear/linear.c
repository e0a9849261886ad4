/* The contract of linear; see linear.h for the formula and shapes. */
#include "kernels/linear/linear.h"

#include <float.h>

static const tern_option options[] = {
    { .name = "activation", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_linear_opts, activation), .choices = tern_activation_names,
      .doc = "applied to the result" },
    { 0 },
};

static void linear_shape(tern_call *call)
{
    const tern_linear_opts *opts = call->options;
    const tern_tensor *x = call->in[0], *weight = call->in[1], *bias = call->in[2];
    char xt[TERN_SHAPE_TEXT], wt[TERN_SHAPE_TEXT], bt[TERN_SHAPE_TEXT];
    int64_t shape[TERN_MAX_RANK];

    if (x->rank < 1 || weight->rank != 2 || weight->shape[1] != tern_dim(x, -1)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s ([...,I]) and weight %s ([O,I]) differ in I",
                       tern_shape_text(x, xt), tern_shape_text(weight, wt));
        return;
    }
    if (bias && (bias->rank != 1 || bias->shape[0] != weight->shape[0])) {
        tern_call_fail(call, TERN_ERR_SHAPE, "bias %s must be [%lld], one for each row of weight %s",
                       tern_shape_text(bias, bt), (long long)weight->shape[0],
                       tern_shape_text(weight, wt));
        return;
    }
    for (int axis = 0; axis < x->rank; axis++)
        shape[axis] = x->shape[axis];
    shape[x->rank - 1] = weight->shape[0];
    tern_declare_activated(call, (tern_activation)opts->activation, x->rank, shape);
}

static void linear_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    double rows = (double)tern_extent(call->in[0], 0, call->in[0]->rank - 1);
    double macs = rows * (double)call->in[1]->count;
    forward->flops = 2 * macs;
    backward->flops = 2 * macs * (!!call->grad_in[0] + !!call->grad_in[1]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7] weight=[3,7] bias=[3]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31] weight=[17,31] bias=[17]", "activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[1,1] weight=[1,1]", "activation=tanh" },
    { TERN_SAMPLE_CHECK, "x=[37,19] weight=[23,19] bias=[23]", "activation=relu" },
    { TERN_SAMPLE_CHECK, "x=[4,6] weight=[5,6]", "activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[131,2] weight=[5,2] bias=[5]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6] weight=[5,6] bias=[5]", "" },
    { TERN_SAMPLE_BENCH, "x=[512,128] weight=[512,128]{-0.1..0.1} bias=[512]",
      "activation=gelu" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024] weight=[1024,1024]{-0.1..0.1} bias=[1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_linear = {
    .name = "linear",
    .summary = "fully connected layer, fused bias and activation",
    .doc = "y[r,o] = act( sum_i x[r,i] * weight[o,i] + bias[o] )",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., I]" },
            { "weight", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[O, I]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[O]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[..., O]" } },
    .saved = { { "before_activation", TERN_REAL, 0, "[..., O], gelu only" } },
    .options_size = sizeof(tern_linear_opts),
    .options = options,
    .shape = linear_shape,
    .cost = linear_cost,
    .samples = samples, .sums_products = true,
};

tern_tensor *tern_linear(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_linear_opts opts)
{
    tern_tensor *inputs[] = { x, weight, bias };
    return tern_apply(ctx, &tern_op_linear, inputs, 3, &opts, NULL);
}
