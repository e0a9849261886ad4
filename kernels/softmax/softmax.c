/* The contract of softmax; see softmax.h for the formula and shapes. */
#include "kernels/softmax/softmax.h"

#include "kernels/softmax/softmax_rows.h"

void tern_softmax_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0], *mask = call->in[1];
    char xt[TERN_SHAPE_TEXT], mt[TERN_SHAPE_TEXT];

    if (x->rank < 1) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x is a scalar, it needs a last axis: [...,D]");
        return;
    }
    if (mask && !tern_same_shape(x, mask)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "mask %s must have the shape of x %s",
                       tern_shape_text(mask, mt), tern_shape_text(x, xt));
        return;
    }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
}

/* Forward: maximum, difference, exp, sum, quotient. */
static void softmax_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 5 * (double)call->in[0]->count;
    backward->flops = 4 * (double)call->in[0]->count;
}

const tern_sample tern_softmax_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,4,31] mask=[3,4,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,17]{-30..30} mask=[2,17]", "" },
    { TERN_SAMPLE_CHECK, "x=[4,6] mask=[4,6]{0..0}", "" },
    { TERN_SAMPLE_CHECK, "x=[9,1] mask=[9,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,0]", "" },
    { TERN_SAMPLE_BENCH, "x=[4096,64] mask=[4096,64]", "" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_softmax = {
    .name = "softmax",
    .summary = "softmax over the last axis, masked elements left out",
    .doc = "y[r,d] = exp(x[r,d]) / sum_j exp(x[r,j]) over the valid j; 0 where the mask is 0,\n"
           "a row without a valid element is all zeros",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[..., D]" },
            { "mask", TERN_MASK, TERN_OPTIONAL, "[..., D]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[..., D]" } },
    .shape = tern_softmax_shape,
    .cost = softmax_cost,
    .samples = tern_softmax_samples,
};

tern_tensor *tern_softmax(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *inputs[] = { x, mask };
    return tern_apply(ctx, &tern_op_softmax, inputs, 2, NULL, NULL);
}
