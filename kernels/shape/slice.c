/* The contract of slice; see slice.h for shapes. */
#include "kernels/shape/slice.h"

static const tern_option options[] = {
    { .name = "axis", .type = TERN_OPTION_INT, .offset = offsetof(tern_slice_opts, axis),
      .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .doc = "along which to cut; negative counts from the end" },
    { .name = "start", .type = TERN_OPTION_INT, .offset = offsetof(tern_slice_opts, start),
      .lowest = -0x1p53, .highest = 0x1p53,
      .doc = "first element of the piece; negative counts from the end" },
    { .name = "length", .type = TERN_OPTION_INT, .offset = offsetof(tern_slice_opts, length),
      .lowest = 0, .highest = 0x1p53, .doc = "elements of the piece; 0: all from start on" },
    { 0 },
};

static int axis_of(const tern_call *call)
{
    const tern_slice_opts *opts = call->options;
    return (int)(opts->axis < 0 ? opts->axis + call->in[0]->rank : opts->axis);
}

static int64_t start_of(const tern_call *call)
{
    const tern_slice_opts *opts = call->options;
    return opts->start < 0 ? opts->start + call->in[0]->shape[axis_of(call)] : opts->start;
}

static void slice_shape(tern_call *call)
{
    const tern_slice_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int axis = axis_of(call);
    int64_t shape[TERN_MAX_RANK];
    char xt[TERN_SHAPE_TEXT];

    if (axis < 0 || axis >= x->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %lld is not there in x %s",
                       (long long)opts->axis, tern_shape_text(x, xt));
        return;
    }
    int64_t start = start_of(call), rest = x->shape[axis] - start;
    if (start < 0 || rest < 0 || opts->length > rest) {
        tern_call_fail(call, TERN_ERR_OPTION,
                       "start %lld and length %lld do not lie within axis %d of x %s",
                       (long long)opts->start, (long long)opts->length, axis,
                       tern_shape_text(x, xt));
        return;
    }
    for (int i = 0; i < x->rank; i++)
        shape[i] = x->shape[i];
    shape[axis] = opts->length ? opts->length : rest;
    tern_declare_out(call, 0, x->dtype, x->rank, shape);
}

tern_slice_place tern_slice_find(const tern_call *call)
{
    const tern_tensor *x = call->in[0], *y = call->out[0];
    int axis = axis_of(call);
    return (tern_slice_place){
        .rows = tern_extent(x, 0, axis),
        .length_x = tern_extent(x, axis, x->rank),
        .offset = start_of(call) * tern_extent(x, axis + 1, x->rank),
        .length_y = tern_extent(y, axis, y->rank),
    };
}

/* Forward reads the piece alone; backward writes the gradient of all of x. */
static void slice_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    (void)backward;
    forward->bytes = 2 * (double)tern_tensor_bytes(call->out[0]);
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[7,3]", "start=2 length=4" },
    { TERN_SAMPLE_CHECK, "x=[5,31,2]", "axis=1 start=-1" },
    { TERN_SAMPLE_CHECK, "x=[2,3,17]", "axis=-1 start=1 length=1" },
    { TERN_SAMPLE_CHECK, "x=[2,5,3]", "axis=1 start=5" },
    { TERN_SAMPLE_CHECK, "x=[3,41]", "axis=1 start=3 length=23" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6]", "axis=1 start=2 length=3" },
    { TERN_SAMPLE_BENCH, "x=[32,50,384]", "axis=-1 start=128 length=128" },
    { 0, NULL, NULL },
};

const tern_op tern_op_slice = {
    .name = "slice",
    .summary = "a contiguous piece along one axis",
    .doc = "y[..., a, ...] = x[..., start + a, ...]",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[..., A, ...]" } },
    .out = { { "y", TERN_ANY, 0, "[..., length, ...]" } },
    .options_size = sizeof(tern_slice_opts),
    .options = options,
    .shape = slice_shape,
    .cost = slice_cost,
    .samples = samples,
};

tern_tensor *tern_slice(tern_ctx *ctx, tern_tensor *x, tern_slice_opts opts)
{
    return tern_apply(ctx, &tern_op_slice, &x, 1, &opts, NULL);
}
