/* The contract of dropout; see dropout.h. */
#include "kernels/elementwise/dropout.h"

static const tern_option options[] = {
    { .name = "p", .type = TERN_OPTION_REAL, .offset = offsetof(tern_dropout_opts, p),
      .lowest = 0, .highest = 1, .doc = "probability that an element is dropped" },
    { 0 },
};

static void dropout_shape(tern_call *call)
{
    tern_declare_out(call, 0, call->in[0]->dtype, call->in[0]->rank, call->in[0]->shape);
}

static void dropout_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = backward->flops = 2 * (double)call->in[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "p=0.3" },
    { TERN_SAMPLE_CHECK, "x=[2,3,31]", "p=0.1" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "p=0.5" },
    { TERN_SAMPLE_CHECK, "x=[17]", "p=1" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "p=0.5" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "p=0.1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_dropout = {
    .name = "dropout",
    .summary = "drops elements at random in training and scales the others",
    .doc = "in training y[e] = x[e] * (u[e] >= p ? 1/(1-p) : 0), u uniform in [0,1); else y = x",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...]" } },
    .options_size = sizeof(tern_dropout_opts),
    .options = options,
    .shape = dropout_shape,
    .cost = dropout_cost,
    .samples = samples,
};

tern_tensor *tern_dropout(tern_ctx *ctx, tern_tensor *x, tern_dropout_opts opts)
{
    return tern_apply(ctx, &tern_op_dropout, &x, 1, &opts, NULL);
}
