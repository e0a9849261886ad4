/* The contract of masked_mean; see masked_mean.h for the formula and shapes. */
#include "kernels/masked_mean/masked_mean.h"

#include "kernels/masked_mean/masked_steps.h"

static void masked_mean_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->in[0]->count;
    backward->flops = (double)call->out[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[3,5,7] mask=[3,5]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,31,17] mask=[2,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,3,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1] mask=[1,1]{1..1}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,4] mask=[2,3]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,3] mask=[2,0]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,4,3] mask=[0,4]", "" },
    { TERN_SAMPLE_BENCH, "x=[32,300,128] mask=[32,300]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_masked_mean = {
    .name = "masked_mean",
    .summary = "mean over the valid steps of a sequence",
    .doc = "y[n,d] = sum_t mask[n,t] x[n,t,d] / sum_t mask[n,t]; zeros if no step is valid",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[N, T, D]" },
            { "mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, T]" } },
    .out = { { "y", TERN_REAL, 0, "[N, D]" } },
    .shape = tern_masked_steps_shape,
    .cost = masked_mean_cost,
    .samples = samples,
};

tern_tensor *tern_masked_mean(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *inputs[] = { x, mask };
    return tern_apply(ctx, &tern_op_masked_mean, inputs, 2, NULL, NULL);
}
