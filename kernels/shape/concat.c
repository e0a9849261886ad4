/* The contract of concat; see concat.h for shapes. */
#include "kernels/shape/concat.h"

static const tern_option options[] = {
    { .name = "axis", .type = TERN_OPTION_INT, .offset = offsetof(tern_concat_opts, axis),
      .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .doc = "along which to concatenate; negative counts from the end" },
    { 0 },
};

static bool fits(tern_call *call, int index, int64_t axis)
{
    const tern_tensor *first = call->in[0], *x = call->in[index];
    char ft[TERN_SHAPE_TEXT], xt[TERN_SHAPE_TEXT];
    bool same = x->rank == first->rank;

    if (x->dtype != first->dtype) {
        tern_call_fail(call, TERN_ERR_DTYPE, "x number %d is %s, the first is %s", index,
                       tern_dtype_name(x->dtype), tern_dtype_name(first->dtype));
        return false;
    }
    for (int i = 0; same && i < x->rank; i++)
        same = i == axis || x->shape[i] == first->shape[i];
    if (!same)
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "x number %d %s differs from the first %s in more than axis %lld", index,
                       tern_shape_text(x, xt), tern_shape_text(first, ft), (long long)axis);
    return same;
}

static void concat_shape(tern_call *call)
{
    const tern_concat_opts *opts = call->options;
    const tern_tensor *first = call->in[0];
    int64_t axis = opts->axis < 0 ? opts->axis + first->rank : opts->axis;
    int64_t shape[TERN_MAX_RANK];
    char xt[TERN_SHAPE_TEXT];

    if (axis < 0 || axis >= first->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %lld is not there in x %s",
                       (long long)opts->axis, tern_shape_text(first, xt));
        return;
    }
    for (int i = 0; i < first->rank; i++)
        shape[i] = first->shape[i];
    for (int index = 1; index < call->inputs; index++) {
        if (!fits(call, index, axis))
            return;
        shape[axis] += call->in[index]->shape[axis];
    }
    tern_declare_out(call, 0, first->dtype, first->rank, shape);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,3] x=[4,3] x=[1,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,1,7] x=[5,31,7]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[3,2,5] x=[3,2,1] x=[3,2,0] x=[3,2,17]", "axis=-1" },
    { TERN_SAMPLE_CHECK, "x=[13]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,4] x=[0,3]", "axis=1" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128] x=[32,50,128] x=[32,50,128]", "axis=-1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_concat = {
    .name = "concat",
    .summary = "concatenation along one axis",
    .doc = "y[..., A_0 + ... + A_(i-1) + a, ...] = x_i[..., a, ...]",
    .in = { { "x", TERN_ANY, TERN_DIFF | TERN_VARIADIC, "[..., A_i, ...]" } },
    .out = { { "y", TERN_ANY, 0, "[..., sum of A_i, ...]" } },
    .options_size = sizeof(tern_concat_opts),
    .options = options,
    .shape = concat_shape,
    .samples = samples,
};

tern_tensor *tern_concat(tern_ctx *ctx, tern_tensor *const *x, int count, tern_concat_opts opts)
{
    return tern_apply(ctx, &tern_op_concat, x, count, &opts, NULL);
}
