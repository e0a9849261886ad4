/* The contract of matmul; see matmul.h for the formula and shapes. */
#include "kernels/matmul/matmul.h"

static const tern_option options[] = {
    { .name = "transpose_a", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_matmul_opts, transpose_a), .doc = "a is [..., K, M]" },
    { .name = "transpose_b", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_matmul_opts, transpose_b), .doc = "b is [..., N, K]" },
    { 0 },
};

static bool same_leading_axes(const tern_tensor *a, const tern_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int axis = 0; axis < a->rank - 2; axis++)
        if (a->shape[axis] != b->shape[axis])
            return false;
    return true;
}

static void matmul_shape(tern_call *call)
{
    const tern_matmul_opts *opts = call->options;
    const tern_tensor *a = call->in[0], *b = call->in[1];
    char at[TERN_SHAPE_TEXT], bt[TERN_SHAPE_TEXT];

    if (a->rank < 2 || b->rank < 2) {
        tern_call_fail(call, TERN_ERR_SHAPE, "a %s and b %s must have two axes or more",
                       tern_shape_text(a, at), tern_shape_text(b, bt));
        return;
    }
    if (tern_dim(a, opts->transpose_a ? -2 : -1) != tern_dim(b, opts->transpose_b ? -1 : -2)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "a %s (%s) and b %s (%s) differ in K",
                       tern_shape_text(a, at), opts->transpose_a ? "...,K,M" : "...,M,K",
                       tern_shape_text(b, bt), opts->transpose_b ? "...,N,K" : "...,K,N");
        return;
    }
    if (a->rank > 2 && b->rank > 2 && !same_leading_axes(a, b)) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "the leading axes of a %s and b %s must be equal, or one a plain matrix",
                       tern_shape_text(a, at), tern_shape_text(b, bt));
        return;
    }
    const tern_tensor *longer = a->rank > b->rank ? a : b;
    int64_t shape[TERN_MAX_RANK];
    for (int axis = 0; axis < longer->rank - 2; axis++)
        shape[axis] = longer->shape[axis];
    shape[longer->rank - 2] = tern_dim(a, opts->transpose_a ? -1 : -2);
    shape[longer->rank - 1] = tern_dim(b, opts->transpose_b ? -2 : -1);
    tern_declare_out(call, 0, a->dtype, longer->rank, shape);
}

tern_matmul_sizes tern_matmul_sizes_of(const tern_call *call)
{
    const tern_matmul_opts *opts = call->options;
    const tern_tensor *a = call->in[0], *b = call->in[1];
    tern_matmul_sizes s = { .transpose_a = opts->transpose_a, .transpose_b = opts->transpose_b };

    s.m = tern_dim(a, s.transpose_a ? -1 : -2);
    s.k = tern_dim(a, s.transpose_a ? -2 : -1);
    s.n = tern_dim(b, s.transpose_b ? -2 : -1);
    s.batch = a->rank > 2 ? tern_extent(a, 0, a->rank - 2) : tern_extent(b, 0, b->rank - 2);
    s.a_batch = a->rank > 2 ? s.m * s.k : 0;
    s.b_batch = b->rank > 2 ? s.k * s.n : 0;
    return s;
}

static void matmul_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    tern_matmul_sizes s = tern_matmul_sizes_of(call);
    double macs = (double)s.batch * (double)s.m * (double)s.n * (double)s.k;
    forward->flops = 2 * macs;
    backward->flops = 2 * macs * (!!call->grad_in[0] + !!call->grad_in[1]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "a=[5,7] b=[7,3]", "" },
    { TERN_SAMPLE_CHECK, "a=[1,1] b=[1,1]", "" },
    { TERN_SAMPLE_CHECK, "a=[37,19] b=[19,31]", "" },
    { TERN_SAMPLE_CHECK, "a=[31,2] b=[31,17]", "transpose_a=true" },
    { TERN_SAMPLE_CHECK, "a=[3,4,5] b=[3,6,5]", "transpose_b=true" },
    { TERN_SAMPLE_CHECK, "a=[2,3,5,4] b=[2,3,7,5]", "transpose_a=true transpose_b=true" },
    { TERN_SAMPLE_CHECK, "a=[2,3,5,4] b=[4,7]", "" },
    { TERN_SAMPLE_CHECK, "a=[3,4,5] b=[4,2]", "transpose_a=true" },
    { TERN_SAMPLE_CHECK, "a=[5,4] b=[3,4,2]", "" },
    { TERN_SAMPLE_CHECK, "a=[4,5] b=[3,2,4]", "transpose_a=true transpose_b=true" },
    { TERN_SAMPLE_CHECK, "a=[3,0,4] b=[3,4,2]", "" },
    { TERN_SAMPLE_CHECK, "a=[3,4,0] b=[0,2]", "" },
    { TERN_SAMPLE_CHECK, "a=[0,3,4] b=[4,2]", "" },
    { TERN_SAMPLE_BENCH, "a=[256,256] b=[256,256]", "" },
    { TERN_SAMPLE_BENCH, "a=[512,512] b=[512,512]", "" },
    { TERN_SAMPLE_BENCH, "a=[1024,1024] b=[1024,1024]", "" },
    { TERN_SAMPLE_BENCH, "a=[2048,2048] b=[2048,2048]", "" },
    { TERN_SAMPLE_BENCH, "a=[64,32,32] b=[64,32,32]", "transpose_b=true" },
    { 0, NULL, NULL },
};

const tern_op tern_op_matmul = {
    .name = "matmul",
    .summary = "matrix product, batched",
    .doc = "y[...,i,j] = sum_p a[...,i,p] * b[...,p,j]\n"
           "Leading axes are equal, or one operand is a plain matrix that meets every matrix\n"
           "of the other.",
    .in = { { "a", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., M, K]" },
            { "b", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[..., K, N]" } },
    .out = { { "y", TERN_REAL, 0, "[..., M, N]" } },
    .options_size = sizeof(tern_matmul_opts),
    .options = options,
    .shape = matmul_shape,
    .cost = matmul_cost,
    .samples = samples, .sums_products = true,
};

tern_tensor *tern_matmul(tern_ctx *ctx, tern_tensor *a, tern_tensor *b, tern_matmul_opts opts)
{
    tern_tensor *inputs[] = { a, b };
    return tern_apply(ctx, &tern_op_matmul, inputs, 2, &opts, NULL);
}
