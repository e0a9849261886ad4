/* The contracts of add, sub, mul, div and pow; see binary.h. */
#include "kernels/elementwise/binary.h"

#include "kernels/elementwise/broadcast.h"

/* What add, sub and mul are checked with. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "a=[5,7] b=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "a=[2,3,31] b=[31]", "" },
    { TERN_SAMPLE_CHECK, "a=[13] b=[11,13]", "" },
    { TERN_SAMPLE_CHECK, "a=[4,1] b=[1,5]", "" },
    { TERN_SAMPLE_CHECK, "a=[3,17] b=[3,1]", "" },
    { TERN_SAMPLE_CHECK, "a=[] b=[2,3]", "" },
    { TERN_SAMPLE_CHECK, "a=[2,1,3,1,2,1] b=[1,3,1,2,1,5]", "" },
    { TERN_SAMPLE_CHECK, "a=[1] b=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "a=[0,6] b=[6]", "" },
    { TERN_SAMPLE_BENCH, "a=[1024,1024] b=[1024,1024]", "" },
    { TERN_SAMPLE_BENCH, "a=[8192,128] b=[128]", "" },
    { 0, NULL, NULL },
};

/* A divisor keeps off its pole at 0. */
static const tern_sample div_samples[] = {
    { TERN_SAMPLE_CHECK, "a=[5,7] b=[5,7]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[2,3,31] b=[31]{-3..-0.5}", "" },
    { TERN_SAMPLE_CHECK, "a=[13] b=[11,13]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[4,1] b=[1,5]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[3,17] b=[3,1]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[] b=[2,3]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[2,1,3,1,2,1] b=[1,3,1,2,1,5]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[1] b=[1,1]{0.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[0,6] b=[6]{0.5..3}", "" },
    { TERN_SAMPLE_BENCH, "a=[1024,1024] b=[1024,1024]{0.5..3}", "" },
    { TERN_SAMPLE_BENCH, "a=[8192,128] b=[8192,1]{0.5..3}", "" },
    { 0, NULL, NULL },
};

/* A base is positive, or 0 with a power above 1: elsewhere gradients are infinite or NaN. */
static const tern_sample pow_samples[] = {
    { TERN_SAMPLE_CHECK, "a=[5,7]{0.3..3} b=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "a=[2,3,31]{0.3..3} b=[31]{-4..4}", "" },
    { TERN_SAMPLE_CHECK, "a=[13]{0.3..3} b=[11,13]", "" },
    { TERN_SAMPLE_CHECK, "a=[4,1]{0.3..3} b=[1,5]", "" },
    { TERN_SAMPLE_CHECK, "a=[3,17]{0.3..3} b=[3,1]", "" },
    { TERN_SAMPLE_CHECK, "a=[2,3]{0.3..3} b=[]{2..2}", "" },
    { TERN_SAMPLE_CHECK | TERN_SAMPLE_NO_DERIVATIVE, "a=[3,1]{0..0} b=[1,5]{1.5..3}", "" },
    { TERN_SAMPLE_CHECK, "a=[2,1,3,1,2,1]{0.3..3} b=[1,3,1,2,1,5]", "" },
    { TERN_SAMPLE_CHECK, "a=[1]{0.3..3} b=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "a=[0,6]{0.3..3} b=[6]", "" },
    { TERN_SAMPLE_BENCH, "a=[1024,1024]{0.3..3} b=[]{2..3}", "" },
    { 0, NULL, NULL },
};

/* Sums for the gradient of whatever was repeated. */
static double repeated_sums(const tern_call *call)
{
    double sums = 0;
    for (int i = 0; i < 2; i++)
        if (call->in[i]->count != call->out[0]->count)
            sums += (double)call->out[0]->count;
    return sums;
}

/* add and sub */
static void sum_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->out[0]->count;
    backward->flops = repeated_sums(call);
}

static void mul_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->out[0]->count;
    backward->flops = 2 * (double)call->out[0]->count + repeated_sums(call);
}

static void div_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = (double)call->out[0]->count;
    backward->flops = 4 * (double)call->out[0]->count + repeated_sums(call);
}

/* The operations of tern_powf, and of its two gradients. */
static void pow_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 40 * (double)call->out[0]->count;
    backward->flops = 110 * (double)call->out[0]->count + repeated_sums(call);
}

const tern_op tern_op_add = {
    .name = "add",
    .summary = "sum of two tensors, broadcasting",
    .doc = "y = a + b, shapes aligned at the last axis, extents of 1 repeated as in NumPy",
    .in = { { "a", TERN_REAL, TERN_DIFF, "[...]" }, { "b", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = sum_cost,
    .samples = samples,
};

const tern_op tern_op_sub = {
    .name = "sub",
    .summary = "difference of two tensors, broadcasting",
    .doc = "y = a - b, shapes aligned at the last axis, extents of 1 repeated as in NumPy",
    .in = { { "a", TERN_REAL, TERN_DIFF, "[...]" }, { "b", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = sum_cost,
    .samples = samples,
};

const tern_op tern_op_mul = {
    .name = "mul",
    .summary = "product of two tensors, element by element, broadcasting",
    .doc = "y = a * b, shapes aligned at the last axis, extents of 1 repeated as in NumPy",
    .in = { { "a", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "b", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = mul_cost,
    .samples = samples,
};

const tern_op tern_op_div = {
    .name = "div",
    .summary = "quotient of two tensors, element by element, broadcasting",
    .doc = "y = a / b, shapes aligned at the last axis, extents of 1 repeated as in NumPy",
    .in = { { "a", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "b", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = div_cost,
    .samples = div_samples,
};

const tern_op tern_op_pow = {
    .name = "pow",
    .summary = "power of two tensors, element by element, broadcasting",
    .doc = "y = a ^ b, shapes aligned at the last axis, extents of 1 repeated as in NumPy;\n"
           "NaN where a < 0 and b is no integer; the gradient of b is 0 where a = 0 and b >= 0",
    .in = { { "a", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" },
            { "b", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "broadcast shape" } },
    .shape = tern_broadcast_shape,
    .cost = pow_cost,
    .samples = pow_samples,
};

tern_tensor *tern_add(tern_ctx *ctx, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_add, inputs, 2, NULL, NULL);
}

tern_tensor *tern_sub(tern_ctx *ctx, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_sub, inputs, 2, NULL, NULL);
}

tern_tensor *tern_mul(tern_ctx *ctx, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_mul, inputs, 2, NULL, NULL);
}

tern_tensor *tern_div(tern_ctx *ctx, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_div, inputs, 2, NULL, NULL);
}

tern_tensor *tern_pow(tern_ctx *ctx, tern_tensor *a, tern_tensor *b)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_pow, inputs, 2, NULL, NULL);
}
