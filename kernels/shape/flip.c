/* The contract of flip; see flip.h for the formula. */
#include "kernels/shape/flip.h"

#include "kernels/shape/axis_map.h"

static const tern_option options[] = {
    { .name = "reverse", .type = TERN_OPTION_INT, .offset = offsetof(tern_flip_opts, reverse),
      .length = TERN_MAX_RANK, .highest = 1, .list = true,
      .doc = "axis by axis, 1: reverse it; \"0,1\" is the second axis" },
    { 0 },
};

static void flip_shape(tern_call *call)
{
    const tern_flip_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];

    for (int axis = x->rank; axis < TERN_MAX_RANK; axis++)
        if (opts->reverse[axis]) {
            tern_call_fail(call, TERN_ERR_OPTION, "reverse marks axis %d, which is not there in x %s",
                           axis, tern_shape_text(x, xt));
            return;
        }
    tern_declare_out(call, 0, x->dtype, x->rank, x->shape);
}

static bool is_reversed(const tern_call *call, int axis)
{
    return ((const tern_flip_opts *)call->options)->reverse[axis] != 0;
}

static int64_t flip_source(const tern_call *call, int axis, int64_t position)
{
    return is_reversed(call, axis) ? call->in[0]->shape[axis] - 1 - position : position;
}

static int64_t flip_run_count(const tern_call *call, int axis)
{
    return call->in[0]->shape[axis] > 0;
}

static tern_axis_run flip_run(const tern_call *call, int axis, int64_t index)
{
    bool reversed = is_reversed(call, axis);
    (void)index;
    return (tern_axis_run){ .y = 0, .x = reversed ? call->in[0]->shape[axis] - 1 : 0,
                            .length = call->in[0]->shape[axis], .step = reversed ? -1 : 1 };
}

const tern_axis_map tern_flip_map = { flip_source, flip_run_count, flip_run };

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[7]", "reverse=1" },
    { TERN_SAMPLE_CHECK, "x=[5,31]", "reverse=1,1" },
    { TERN_SAMPLE_CHECK, "x=[3,5,2]", "reverse=0,1" },
    { TERN_SAMPLE_CHECK, "x=[2,1,13,1,4]", "reverse=1,1,1,0,1" },
    { TERN_SAMPLE_CHECK, "x=[31,1]", "reverse=1" },
    { TERN_SAMPLE_CHECK, "x=[3,4]", "" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,6]", "reverse=1,1" },
    { TERN_SAMPLE_BENCH, "x=[32,64,64,3]", "reverse=0,0,1" },
    { TERN_SAMPLE_BENCH, "x=[32,50,128]", "reverse=0,1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_flip = {
    .name = "flip",
    .summary = "order reversed along any set of axes",
    .doc = "y[c0, c1, ...] = x[s0, s1, ...], s_i = D_i - 1 - c_i where reverse[i] is 1, else c_i",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_ANY, 0, "[...]" } },
    .options_size = sizeof(tern_flip_opts),
    .options = options,
    .shape = flip_shape,
    .samples = samples,
};

tern_tensor *tern_flip(tern_ctx *ctx, tern_tensor *x, tern_flip_opts opts)
{
    return tern_apply(ctx, &tern_op_flip, &x, 1, &opts, NULL);
}
