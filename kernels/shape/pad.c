/* The contract of pad; see pad.h for the modes. */
#include "kernels/shape/pad.h"

#include "kernels/shape/axis_map.h"

static const char *const modes[] = { "constant", "reflect", "replicate", NULL };

static const tern_option options[] = {
    { .name = "before", .type = TERN_OPTION_INT, .offset = offsetof(tern_pad_opts, before),
      .length = TERN_MAX_RANK, .highest = 0x1p53, .list = true,
      .doc = "elements to add before x, axis by axis" },
    { .name = "after", .type = TERN_OPTION_INT, .offset = offsetof(tern_pad_opts, after),
      .length = TERN_MAX_RANK, .highest = 0x1p53, .list = true,
      .doc = "elements to add after x, axis by axis" },
    { .name = "mode", .type = TERN_OPTION_CHOICE, .offset = offsetof(tern_pad_opts, mode),
      .choices = modes, .doc = "what is added" },
    { .name = "value", .type = TERN_OPTION_REAL, .offset = offsetof(tern_pad_opts, value),
      .doc = "of constant" },
    { 0 },
};

/* A whole number that the element type can hold. */
static bool value_fits(tern_dtype dtype, double value)
{
    double low = dtype == TERN_U8 ? 0 : dtype == TERN_I32 ? INT32_MIN : -0x1p53;
    double high = dtype == TERN_U8 ? 255 : dtype == TERN_I32 ? INT32_MAX : 0x1p53;

    if (tern_dtype_is_real(dtype))
        return true;
    return value >= low && value <= high && value == (double)(int64_t)value;
}

static bool axis_fits(tern_call *call, int axis)
{
    const tern_pad_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int64_t before = opts->before[axis], after = opts->after[axis];
    char xt[TERN_SHAPE_TEXT];

    if (before == 0 && after == 0)
        return true;
    if (axis >= x->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %d to be padded is not there in x %s", axis,
                       tern_shape_text(x, xt));
        return false;
    }
    int64_t larger = before > after ? before : after;
    if (opts->mode == TERN_PAD_REFLECT && larger >= x->shape[axis]) {
        tern_call_fail(call, TERN_ERR_OPTION,
                       "reflect can add at most %lld elements to axis %d of x %s, not %lld",
                       x->shape[axis] > 0 ? (long long)x->shape[axis] - 1 : 0, axis,
                       tern_shape_text(x, xt), (long long)larger);
        return false;
    }
    if (opts->mode == TERN_PAD_REPLICATE && x->shape[axis] == 0) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis %d of x %s has nothing to replicate", axis,
                       tern_shape_text(x, xt));
        return false;
    }
    return true;
}

static void pad_shape(tern_call *call)
{
    const tern_pad_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    int64_t shape[TERN_MAX_RANK];

    for (int axis = 0; axis < TERN_MAX_RANK; axis++)
        if (!axis_fits(call, axis))
            return;
    if (opts->mode == TERN_PAD_CONSTANT && !value_fits(x->dtype, opts->value)) {
        tern_call_fail(call, TERN_ERR_OPTION, "value %g does not fit x, which is %s", opts->value,
                       tern_dtype_name(x->dtype));
        return;
    }
    for (int axis = 0; axis < x->rank; axis++)
        shape[axis] = opts->before[axis] + x->shape[axis] + opts->after[axis];
    tern_declare_out(call, 0, x->dtype, x->rank, shape);
}

/* ------------------------------------------------- where elements come from -- */

static int64_t pad_source(const tern_call *call, int axis, int64_t position)
{
    const tern_pad_opts *opts = call->options;
    int64_t extent = call->in[0]->shape[axis], at = position - opts->before[axis];

    if (at >= 0 && at < extent)
        return at;
    if (opts->mode == TERN_PAD_CONSTANT)
        return TERN_NO_SOURCE;
    if (opts->mode == TERN_PAD_REFLECT)
        return at < 0 ? -at : 2 * (extent - 1) - at;
    return at < 0 ? 0 : extent - 1;
}

/* What is added at one end: `x` is where reflect begins, `edge` is x's element there. */
static tern_axis_run added(int mode, int64_t y, int64_t length, int64_t x, int64_t edge)
{
    if (mode == TERN_PAD_CONSTANT)
        return (tern_axis_run){ .y = y, .x = TERN_NO_SOURCE, .length = length, .step = 0 };
    if (mode == TERN_PAD_REFLECT)
        return (tern_axis_run){ .y = y, .x = x, .length = length, .step = -1 };
    return (tern_axis_run){ .y = y, .x = edge, .length = length, .step = 0 };
}

static int64_t pad_run_count(const tern_call *call, int axis)
{
    const tern_pad_opts *opts = call->options;
    return (opts->before[axis] > 0) + (call->in[0]->shape[axis] > 0) + (opts->after[axis] > 0);
}

static tern_axis_run pad_run(const tern_call *call, int axis, int64_t index)
{
    const tern_pad_opts *opts = call->options;
    int64_t before = opts->before[axis], extent = call->in[0]->shape[axis];

    if (before > 0 && index-- == 0)
        return added(opts->mode, 0, before, before, 0);
    if (extent > 0 && index-- == 0)
        return (tern_axis_run){ .y = before, .x = 0, .length = extent, .step = 1 };
    return added(opts->mode, before + extent, opts->after[axis], extent - 2, extent - 1);
}

const tern_axis_map tern_pad_map = { pad_source, pad_run_count, pad_run };

/* ------------------------------------------------------------- the contract -- */

static void pad_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    const tern_pad_opts *opts = call->options;
    forward->flops = 0;
    backward->flops = opts->mode == TERN_PAD_CONSTANT ? 0 : (double)call->out[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[3,5]", "before=1,2 after=0,3 value=-1.5" },
    { TERN_SAMPLE_CHECK, "x=[2,7,3]", "before=0,4 after=0,2" },
    { TERN_SAMPLE_CHECK, "x=[2,5,3]", "before=0,4 after=0,2 mode=reflect" },
    { TERN_SAMPLE_CHECK, "x=[4,31]", "before=3,30 after=3,7 mode=reflect" },
    { TERN_SAMPLE_CHECK, "x=[2,1,3,2]", "before=1,2,3,1 after=2,1,0,3 mode=replicate" },
    { TERN_SAMPLE_CHECK, "x=[13]", "before=17 after=1 mode=replicate" },
    { TERN_SAMPLE_CHECK, "x=[3,1]", "after=2 mode=reflect" },
    { TERN_SAMPLE_CHECK, "x=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "before=2 after=0,1 value=7" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "before=0,2 mode=reflect" },
    { TERN_SAMPLE_BENCH, "x=[32,64,64,3]", "before=0,2,2 after=0,2,2 mode=reflect" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "after=0,14" },
    { 0, NULL, NULL },
};

const tern_op tern_op_pad = {
    .name = "pad",
    .summary = "elements added before and after x along any axes",
    .doc = "y's extents are before[i] + D_i + after[i].  What is added is a value (constant),\n"
           "x mirrored at its ends, which are not repeated (reflect), or its ends (replicate).",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_ANY, 0, "[...]" } },
    .options_size = sizeof(tern_pad_opts),
    .options = options,
    .shape = pad_shape,
    .cost = pad_cost,
    .samples = samples,
};

tern_tensor *tern_pad(tern_ctx *ctx, tern_tensor *x, tern_pad_opts opts)
{
    return tern_apply(ctx, &tern_op_pad, &x, 1, &opts, NULL);
}
