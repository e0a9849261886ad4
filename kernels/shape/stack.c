/* The contract of stack; see stack.h for shapes. */
#include "kernels/shape/stack.h"

static const tern_option options[] = {
    { .name = "axis", .type = TERN_OPTION_INT, .offset = offsetof(tern_stack_opts, axis),
      .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .doc = "of y, along which the inputs lie; negative counts from the end" },
    { 0 },
};

static int axis_of(const tern_call *call)
{
    const tern_stack_opts *opts = call->options;
    return (int)(opts->axis < 0 ? opts->axis + call->in[0]->rank + 1 : opts->axis);
}

static bool fits(tern_call *call, int index)
{
    const tern_tensor *first = call->in[0], *x = call->in[index];
    char ft[TERN_SHAPE_TEXT], xt[TERN_SHAPE_TEXT];

    if (x->dtype != first->dtype) {
        tern_call_fail(call, TERN_ERR_DTYPE, "x number %d is %s, the first is %s", index,
                       tern_dtype_name(x->dtype), tern_dtype_name(first->dtype));
        return false;
    }
    if (!tern_same_shape(x, first)) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x number %d %s has another shape than the first %s",
                       index, tern_shape_text(x, xt), tern_shape_text(first, ft));
        return false;
    }
    return true;
}

static void stack_shape(tern_call *call)
{
    const tern_stack_opts *opts = call->options;
    const tern_tensor *first = call->in[0];
    int axis = axis_of(call);
    int64_t shape[TERN_MAX_RANK];
    char xt[TERN_SHAPE_TEXT];

    if (first->rank == TERN_MAX_RANK) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s has no room for another axis, %d is the most",
                       tern_shape_text(first, xt), TERN_MAX_RANK);
        return;
    }
    if (axis < 0 || axis > first->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %lld is not there in y, which has %d axes",
                       (long long)opts->axis, first->rank + 1);
        return;
    }
    for (int index = 1; index < call->inputs; index++)
        if (!fits(call, index))
            return;
    for (int i = 0; i <= first->rank; i++)
        shape[i] = i == axis ? call->inputs : first->shape[i - (i > axis)];
    tern_declare_out(call, 0, first->dtype, first->rank + 1, shape);
}

tern_stack_place tern_stack_find(const tern_call *call)
{
    int axis = axis_of(call);
    return (tern_stack_place){ .rows = tern_extent(call->out[0], 0, axis),
                               .length = tern_extent(call->out[0], axis + 1, call->out[0]->rank) };
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,3] x=[2,3] x=[2,3]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,31] x=[5,31]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[3,2,7] x=[3,2,7] x=[3,2,7] x=[3,2,7] x=[3,2,7]", "axis=-1" },
    { TERN_SAMPLE_CHECK, "x=[13]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[1,19] x=[1,19] x=[1,19]", "axis=-2" },
    { TERN_SAMPLE_CHECK, "x=[19,1] x=[19,1]", "axis=1" },
    { TERN_SAMPLE_CHECK, "x=[] x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,4] x=[0,4]", "axis=2" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128] x=[32,50,128] x=[32,50,128]", "axis=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_stack = {
    .name = "stack",
    .summary = "tensors of one shape side by side along a new axis",
    .doc = "y[..., k, ...] = x_k[..., ...]",
    .in = { { "x", TERN_ANY, TERN_DIFF | TERN_VARIADIC, "[..., ...]" } },
    .out = { { "y", TERN_ANY, 0, "[..., number of inputs, ...]" } },
    .options_size = sizeof(tern_stack_opts),
    .options = options,
    .shape = stack_shape,
    .samples = samples,
};

tern_tensor *tern_stack(tern_ctx *ctx, tern_tensor *const *x, int count, tern_stack_opts opts)
{
    return tern_apply(ctx, &tern_op_stack, x, count, &opts, NULL);
}
