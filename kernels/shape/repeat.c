/* The contract of repeat; see repeat.h for the formula. */
#include "kernels/shape/repeat.h"

#include "kernels/shape/axis_map.h"

static const tern_option options[] = {
    { .name = "times", .type = TERN_OPTION_INT, .offset = offsetof(tern_repeat_opts, times),
      .length = TERN_MAX_RANK, .highest = 0x1p53, .list = true,
      .doc = "how often, for each axis; more entries than x has axes put axes in front" },
    { 0 },
};

static int64_t times_of(const tern_call *call, int axis)
{
    int64_t times = ((const tern_repeat_opts *)call->options)->times[axis];
    return times ? times : 1;
}

static void repeat_shape(tern_call *call)
{
    const tern_repeat_opts *opts = call->options;
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];
    int rank = 0;
    int64_t shape[TERN_MAX_RANK];

    for (int axis = 0; axis < TERN_MAX_RANK; axis++)
        if (opts->times[axis])
            rank = axis + 1;
    if (rank < x->rank) {
        tern_call_fail(call, TERN_ERR_OPTION, "times has %d entries, x %s has %d axes", rank,
                       tern_shape_text(x, xt), x->rank);
        return;
    }
    for (int axis = 0; axis < rank; axis++) {
        int own = axis - (rank - x->rank);
        if (__builtin_mul_overflow(times_of(call, axis), own < 0 ? 1 : x->shape[own],
                                   &shape[axis])) {
            tern_call_fail(call, TERN_ERR_SHAPE, "x %s %lld times along its axis %d overflows",
                           tern_shape_text(x, xt), (long long)times_of(call, axis), own);
            return;
        }
    }
    tern_declare_out(call, 0, x->dtype, rank, shape);
}

static int64_t repeat_source(const tern_call *call, int axis, int64_t position)
{
    return position % tern_axis_map_extent(call, axis);
}

/* One element again and again is a single run. */
static int64_t repeat_run_count(const tern_call *call, int axis)
{
    int64_t extent = tern_axis_map_extent(call, axis);
    return extent == 1 ? 1 : extent == 0 ? 0 : times_of(call, axis);
}

static tern_axis_run repeat_run(const tern_call *call, int axis, int64_t index)
{
    int64_t extent = tern_axis_map_extent(call, axis);
    if (extent == 1)
        return (tern_axis_run){ .y = 0, .x = 0, .length = times_of(call, axis), .step = 0 };
    return (tern_axis_run){ .y = index * extent, .x = 0, .length = extent, .step = 1 };
}

const tern_axis_map tern_repeat_map = { repeat_source, repeat_run_count, repeat_run };

static void repeat_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = 0;
    backward->flops = (double)call->out[0]->count;
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[3,2]", "times=2,3" },
    { TERN_SAMPLE_CHECK, "x=[1,7]", "times=31,1" },
    { TERN_SAMPLE_CHECK, "x=[2,3]", "times=4,1,2" },
    { TERN_SAMPLE_CHECK, "x=[5,1,3,1]", "times=2,3,1,7" },
    { TERN_SAMPLE_CHECK, "x=[2,19]", "times=3,2" },
    { TERN_SAMPLE_CHECK, "x=[11]", "times=1" },
    { TERN_SAMPLE_CHECK, "x=[]", "times=2,3" },
    { TERN_SAMPLE_CHECK, "x=[]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,0]", "times=2,2" },
    { TERN_SAMPLE_BENCH, "x=[1,50,128]", "times=32,1,1" },
    { TERN_SAMPLE_BENCH, "x=[32,1,128]", "times=1,50,1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_repeat = {
    .name = "repeat",
    .summary = "a tensor laid out again and again",
    .doc = "y[c0, c1, ...] = x[c0 mod D_0, c1 mod D_1, ...], y's extents are times[i] * D_i\n"
           "times with more entries than x has axes puts axes in front, as in torch.Tensor.repeat.",
    .in = { { "x", TERN_ANY, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_ANY, 0, "[...]" } },
    .options_size = sizeof(tern_repeat_opts),
    .options = options,
    .shape = repeat_shape,
    .cost = repeat_cost,
    .samples = samples,
};

tern_tensor *tern_repeat(tern_ctx *ctx, tern_tensor *x, tern_repeat_opts opts)
{
    return tern_apply(ctx, &tern_op_repeat, &x, 1, &opts, NULL);
}
