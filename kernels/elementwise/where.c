/* The contract of where; see where.h. */
#include "kernels/elementwise/where.h"

#include "kernels/elementwise/broadcast.h"

static void where_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)forward;
    for (int i = 1; i < 3; i++) /* sums for what was repeated */
        if (call->in[i]->count != call->out[0]->count)
            backward->flops += (double)call->out[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "condition=[5,7] a=[5,7] b=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "condition=[2,3,31]{0..1} a=[2,3,31] b=[]", "" },
    { TERN_SAMPLE_CHECK, "condition=[13]{0..1} a=[13] b=[11,13]", "" },
    { TERN_SAMPLE_CHECK, "condition=[3,1]{0..1} a=[3,17] b=[17]", "" },
    { TERN_SAMPLE_CHECK, "condition=[4,7]{0..1} a=[4,1] b=[1,7]", "" },
    { TERN_SAMPLE_CHECK, "condition=[5,1]{0..1} a=[1] b=[5,6]", "" },
    { TERN_SAMPLE_CHECK, "condition=[]{1..1} a=[2,3] b=[3]", "" },
    { TERN_SAMPLE_CHECK, "condition=[2,1,3,1,2,1] a=[1,3,1,2,1,5] b=[2,1,1,2,1,5]", "" },
    { TERN_SAMPLE_CHECK, "condition=[1] a=[1] b=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "condition=[0,6] a=[6] b=[1,6]", "" },
    { TERN_SAMPLE_BENCH, "condition=[1024,1024]{0..1} a=[1024,1024] b=[]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_where = {
    .name = "where",
    .summary = "choice between two tensors, element by element, broadcasting",
    .doc = "y = condition ? a : b, shapes aligned at the last axis, extents of 1 repeated as in "
           "NumPy",
    .in = { { "condition", TERN_MASK, TERN_BACKWARD_READS, "[...]" },
            { "a", TERN_REAL, TERN_DIFF, "[...]" },
            { "b", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = where_cost,
    .samples = samples,
};

tern_tensor *tern_where(tern_ctx *ctx, tern_tensor *condition, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { condition, a, b };
    return tern_apply(ctx, &tern_op_where, inputs, 3, NULL, NULL);
}
