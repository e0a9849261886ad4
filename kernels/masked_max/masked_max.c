/* The contract of masked_max; see masked_max.h for the formula and shapes. */
#include "kernels/masked_max/masked_max.h"

#include "kernels/masked_mean/masked_steps.h"

/* Backward finds the maximum again, counts who has it, and shares out. */
static void masked_max_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->in[0]->count;
    backward->flops = 3 * (double)call->in[0]->count;
    forward->bytes =
        (double)tern_tensor_bytes(call->in[0]) + (double)tern_tensor_bytes(call->out[0]);
    backward->bytes = forward->bytes + (double)tern_tensor_bytes(call->in[0]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[3,5,7] mask=[3,5]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,31,67] mask=[2,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,3,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1] mask=[1,1]{1..1}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,3,4] mask=[2,3]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,3] mask=[2,0]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,4,3] mask=[0,4]", "" },
    { TERN_SAMPLE_BENCH, "x=[32,300,128] mask=[32,300]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_masked_max = {
    .name = "masked_max",
    .summary = "largest value over the valid steps of a sequence",
    .doc = "y[n,d] = max of x[n,t,d] over the t with mask[n,t] = 1; zeros if no step is valid;\n"
           "equal largest values share the gradient equally",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, T, D]" },
            { "mask", TERN_MASK, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, T]" } },
    .out = { { "y", TERN_REAL, 0, "[N, D]" } },
    .shape = tern_masked_steps_shape,
    .cost = masked_max_cost,
    .samples = samples,
};

tern_tensor *tern_masked_max(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *inputs[] = { x, mask };
    return tern_apply(ctx, &tern_op_masked_max, inputs, 2, NULL, NULL);
}
