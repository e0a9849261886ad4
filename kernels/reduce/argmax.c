/* The contract of argmax; see argmax.h for the shapes. */
#include "kernels/reduce/argmax.h"

static const tern_option options[] = {
    { .name = "axis", .type = TERN_OPTION_INT, .offset = offsetof(tern_argmax_opts, axis),
      .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .doc = "along which to search; negative counts from the end" },
    { .name = "keep_dims", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_argmax_opts, keep_dims), .doc = "leave the axis, with extent 1" },
    { 0 },
};

static int64_t axis_of(const tern_call *call)
{
    const tern_argmax_opts *opts = call->options;
    return opts->axis + (opts->axis < 0 ? call->in[0]->rank : 0);
}

argmax_view tern_argmax_view(const tern_call *call)
{
    const tern_tensor *x = call->in[0];
    int axis = (int)axis_of(call);
    return (argmax_view){ .outer = tern_extent(x, 0, axis), .extent = x->shape[axis],
                          .inner = tern_extent(x, axis + 1, x->rank) };
}

static void argmax_shape(tern_call *call)
{
    const tern_argmax_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int64_t axis = axis_of(call), shape[TERN_MAX_RANK];
    int rank = 0;
    char xt[TERN_SHAPE_TEXT];

    if (axis < 0 || axis >= x->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "x %s has no axis %lld", tern_shape_text(x, xt),
                       (long long)opts->axis);
        return;
    }
    if (x->shape[axis] == 0 || x->shape[axis] > INT32_MAX) {
        tern_call_fail(call, TERN_ERR_SHAPE, "axis %lld of x %s must have 1 to %d elements",
                       (long long)axis, tern_shape_text(x, xt), INT32_MAX);
        return;
    }
    for (int i = 0; i < x->rank; i++)
        if (i != axis || opts->keep_dims)
            shape[rank++] = i == axis ? 1 : x->shape[i];
    tern_declare_out(call, 0, TERN_I32, rank, shape);
}

static void argmax_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->flops = (double)call->in[0]->count;
    forward->bytes =
        (double)tern_tensor_bytes(call->in[0]) + (double)tern_tensor_bytes(call->out[0]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,4,31]", "axis=-1 keep_dims=true" },
    { TERN_SAMPLE_CHECK, "x=[2,13,67]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[97,1]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[139,131]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "axis=1" },
    { TERN_SAMPLE_BENCH, "x=[4096,256]", "axis=1" },
    { TERN_SAMPLE_BENCH, "x=[32,300,128]", "axis=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_argmax = {
    .name = "argmax",
    .summary = "place of the largest value along one axis",
    .doc = "y = the index along the axis of the largest value: the first of equals, and the first\n"
           "NaN if there is one",
    .in = { { "x", TERN_REAL, 0, "[...]" } },
    .out = { { "y", TERN_INDEX, TERN_NO_GRAD, "[...] without the axis" } },
    .options_size = sizeof(tern_argmax_opts),
    .options = options,
    .shape = argmax_shape,
    .cost = argmax_cost,
    .samples = samples,
};

tern_tensor *tern_argmax(tern_ctx *ctx, tern_tensor *x, tern_argmax_opts opts)
{
    return tern_apply(ctx, &tern_op_argmax, &x, 1, &opts, NULL);
}
