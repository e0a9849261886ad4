/* The contracts of sum, mean, max and var; see reduce.h for the formulas and shapes. */
#include "kernels/reduce/reduce.h"

#include "kernels/reduce/reduce_view.h"

#define AXES_DOC "axes to reduce, negative from the end; none given: all"
#define KEEP_DOC "leave the reduced axes in y, with extent 1"

static const tern_option options[] = {
    { .name = "axes", .type = TERN_OPTION_INT, .offset = offsetof(tern_reduce_opts, axes),
      .length = TERN_MAX_RANK, .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .list = true, .count_offset = offsetof(tern_reduce_opts, axis_count), .doc = AXES_DOC },
    { .name = "keep_dims", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_reduce_opts, keep_dims), .doc = KEEP_DOC },
    { 0 },
};

static const tern_option var_options[] = {
    { .name = "axes", .type = TERN_OPTION_INT, .offset = offsetof(tern_var_opts, over.axes),
      .length = TERN_MAX_RANK, .lowest = -TERN_MAX_RANK, .highest = TERN_MAX_RANK - 1,
      .list = true, .count_offset = offsetof(tern_var_opts, over.axis_count), .doc = AXES_DOC },
    { .name = "keep_dims", .type = TERN_OPTION_BOOL,
      .offset = offsetof(tern_var_opts, over.keep_dims), .doc = KEEP_DOC },
    { .name = "correction", .type = TERN_OPTION_REAL,
      .offset = offsetof(tern_var_opts, correction), .fallback = 1,
      .has_offset = offsetof(tern_var_opts, has_correction),
      .doc = "taken from the number of elements; 0 for the biased variance" },
    { 0 },
};

/* ------------------------------------------------------------- shapes -- */

/* Mark the axes to reduce; false after an error. */
static bool mark_axes(tern_call *call, const tern_reduce_opts *opts, bool *reduced)
{
    const tern_tensor *x = call->in[0];
    char xt[TERN_SHAPE_TEXT];

    if (opts->axis_count < 0 || opts->axis_count > TERN_MAX_RANK) {
        tern_call_fail(call, TERN_ERR_OPTION, "axis_count is %lld, it must be 0 to %d",
                       (long long)opts->axis_count, TERN_MAX_RANK);
        return false;
    }
    for (int i = 0; i < opts->axis_count; i++) {
        int64_t axis = opts->axes[i] + (opts->axes[i] < 0 ? x->rank : 0);
        if (axis < 0 || axis >= x->rank) {
            tern_call_fail(call, TERN_ERR_OPTION, "x %s has no axis %lld",
                           tern_shape_text(x, xt), (long long)opts->axes[i]);
            return false;
        }
        if (reduced[axis]) {
            tern_call_fail(call, TERN_ERR_OPTION, "axis %lld of x %s is named twice",
                           (long long)axis, tern_shape_text(x, xt));
            return false;
        }
        reduced[axis] = true;
    }
    for (int axis = 0; axis < x->rank && opts->axis_count == 0; axis++)
        reduced[axis] = true;
    return true;
}

/* Declares y; false after an error. */
static bool declare_reduced(tern_call *call, int *rank, int64_t *shape)
{
    const tern_tensor *x = call->in[0];
    const tern_reduce_opts *opts = call->options;
    bool reduced[TERN_MAX_RANK] = { false };

    if (!mark_axes(call, opts, reduced))
        return false;
    *rank = 0;
    for (int axis = 0; axis < x->rank; axis++)
        if (!reduced[axis] || opts->keep_dims)
            shape[(*rank)++] = reduced[axis] ? 1 : x->shape[axis];
    tern_declare_out(call, 0, x->dtype, *rank, shape);
    return true;
}

static void reduce_shape(tern_call *call)
{
    int rank;
    int64_t shape[TERN_MAX_RANK];
    declare_reduced(call, &rank, shape);
}

static void max_shape(tern_call *call)
{
    const tern_tensor *x = call->in[0];
    bool reduced[TERN_MAX_RANK] = { false };
    char xt[TERN_SHAPE_TEXT];

    if (!mark_axes(call, call->options, reduced))
        return;
    for (int axis = 0; axis < x->rank; axis++)
        if (reduced[axis] && x->shape[axis] == 0) {
            tern_call_fail(call, TERN_ERR_SHAPE, "axis %d of x %s is empty, it has no maximum",
                           axis, tern_shape_text(x, xt));
            return;
        }
    reduce_shape(call);
}

static void var_shape(tern_call *call)
{
    int rank;
    int64_t shape[TERN_MAX_RANK];
    if (declare_reduced(call, &rank, shape))
        tern_declare_saved(call, 0, call->in[0]->dtype, rank, shape);
}

/* --------------------------------------------------------------- view -- */

reduce_view tern_reduce_view(const tern_call *call)
{
    const tern_tensor *x = call->in[0];
    const tern_reduce_opts *opts = call->options;
    bool reduced[TERN_MAX_RANK] = { false };
    reduce_view view = { .outputs = 1, .terms = 1 };

    for (int axis = 0; axis < x->rank; axis++)
        reduced[axis] = opts->axis_count == 0;
    for (int i = 0; i < opts->axis_count; i++)
        reduced[opts->axes[i] + (opts->axes[i] < 0 ? x->rank : 0)] = true;
    for (int axis = 0; axis < x->rank; axis++) {
        int64_t extent = x->shape[axis];
        *(reduced[axis] ? &view.terms : &view.outputs) *= extent;
        if (extent == 1)
            continue;
        if (view.axes > 0 && view.reduced[view.axes - 1] == reduced[axis]) {
            view.extent[view.axes - 1] *= extent;
        } else {
            view.extent[view.axes] = extent;
            view.reduced[view.axes++] = reduced[axis];
        }
    }
    if (view.axes == 0) {
        view.extent[0] = 1;
        view.axes = 1;
    }
    return view;
}

int64_t tern_reduce_output(const reduce_view *view, int64_t at)
{
    int64_t output = 0, stride = 1;
    for (int axis = view->axes - 1; axis >= 0; axis--) {
        if (!view->reduced[axis]) {
            output += at % view->extent[axis] * stride;
            stride *= view->extent[axis];
        }
        at /= view->extent[axis];
    }
    return output;
}

double tern_var_divisor(const tern_call *call, const reduce_view *view)
{
    const tern_var_opts *opts = call->options;
    double divisor = (double)view->terms - opts->correction;
    return divisor > 0 ? divisor : 0;
}

/* --------------------------------------------------------------- cost -- */

static void reduce_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    forward->flops = backward->flops = (double)call->in[0]->count;
    forward->bytes = backward->bytes =
        (double)tern_tensor_bytes(call->in[0]) + (double)tern_tensor_bytes(call->out[0]);
}

/* Backward finds the maximum again, counts who has it, and shares out. */
static void max_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    reduce_cost(call, forward, backward);
    backward->flops *= 3;
    backward->bytes += (double)tern_tensor_bytes(call->in[0]);
}

static void var_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    reduce_cost(call, forward, backward);
    forward->flops *= 4;
    backward->flops *= 2;
    backward->bytes += (double)tern_tensor_bytes(call->in[0]);
}

/* ------------------------------------------------------------ samples -- */

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,7]", "axes=0" },
    { TERN_SAMPLE_CHECK, "x=[3,4,31]", "axes=-1 keep_dims=true" },
    { TERN_SAMPLE_CHECK, "x=[2,3,5,7]", "axes=1,2" },
    { TERN_SAMPLE_CHECK, "x=[3,2,5,4]", "axes=-1,0" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2,3,2,3]", "axes=0,2,4" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2,3,2,3]", "axes=1,3,5 keep_dims=true" },
    { TERN_SAMPLE_CHECK, "x=[31,1]", "axes=0" },
    { TERN_SAMPLE_CHECK, "x=[31,1]", "axes=1" },
    { TERN_SAMPLE_CHECK, "x=[13,1,67]", "axes=0" },
    { TERN_SAMPLE_CHECK, "x=[17,1,131]", "axes=2,1" },
    { TERN_SAMPLE_CHECK, "x=[5,37]{-3..-1}", "axes=1" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "axes=1" },
    { TERN_SAMPLE_BENCH, "x=[4096,256]", "axes=1" },
    { TERN_SAMPLE_BENCH, "x=[4096,256]", "axes=0" },
    { TERN_SAMPLE_BENCH, "x=[32,32,32,64]", "axes=1,2" },
    { TERN_SAMPLE_BENCH, "x=[1024,1024]", "" },
    { 0, NULL, NULL },
};

static const tern_sample var_samples[] = {
    { TERN_SAMPLE_CHECK, "x=[5,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,7]", "axes=0 correction=0" },
    { TERN_SAMPLE_CHECK, "x=[3,4,31]{99..101}", "axes=-1 keep_dims=true" },
    { TERN_SAMPLE_CHECK, "x=[2,3,5,7]", "axes=1,2 correction=2.5" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2,3,2,3]", "axes=0,2,4" },
    { TERN_SAMPLE_CHECK, "x=[13,1,67]", "axes=0" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1]", "correction=0" },
    { TERN_SAMPLE_CHECK, "x=[0,3]", "axes=1" },
    { TERN_SAMPLE_BENCH, "x=[4096,256]", "axes=1" },
    { TERN_SAMPLE_BENCH, "x=[32,32,32,64]", "axes=1,2" },
    { 0, NULL, NULL },
};

/* ---------------------------------------------------------- contracts -- */

const tern_op tern_op_sum = {
    .name = "sum",
    .summary = "sum over any axes",
    .doc = "y[o] = sum of the x[i] that are reduced to o; a sum of nothing is 0",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...] without the axes" } },
    .options_size = sizeof(tern_reduce_opts),
    .options = options,
    .shape = reduce_shape,
    .cost = reduce_cost,
    .samples = samples,
};

const tern_op tern_op_mean = {
    .name = "mean",
    .summary = "mean over any axes",
    .doc = "y[o] = mean of the x[i] that are reduced to o; a mean of nothing is NaN",
    .in = { { "x", TERN_REAL, TERN_DIFF, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...] without the axes" } },
    .options_size = sizeof(tern_reduce_opts),
    .options = options,
    .shape = reduce_shape,
    .cost = reduce_cost,
    .samples = samples,
};

const tern_op tern_op_max = {
    .name = "max",
    .summary = "largest value over any axes",
    .doc = "y[o] = the largest of the x[i] that are reduced to o, NaN if one is NaN; equal\n"
           "largest values share the gradient equally",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...] without the axes" } },
    .options_size = sizeof(tern_reduce_opts),
    .options = options,
    .shape = max_shape,
    .cost = max_cost,
    .samples = samples,
};

const tern_op tern_op_var = {
    .name = "var",
    .summary = "variance over any axes",
    .doc = "y[o] = sum of (x[i] - mean[o])^2 / max(0, n - correction) over the n x[i] that are\n"
           "reduced to o",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[...]" } },
    .out = { { "y", TERN_REAL, 0, "[...] without the axes" } },
    .saved = { { "mean", TERN_REAL, 0, "y's" } },
    .options_size = sizeof(tern_var_opts),
    .options = var_options,
    .shape = var_shape,
    .cost = var_cost,
    .samples = var_samples,
};

tern_tensor *tern_sum(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts)
{
    return tern_apply(ctx, &tern_op_sum, &x, 1, &opts, NULL);
}

tern_tensor *tern_mean(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts)
{
    return tern_apply(ctx, &tern_op_mean, &x, 1, &opts, NULL);
}

tern_tensor *tern_max(tern_ctx *ctx, tern_tensor *x, tern_reduce_opts opts)
{
    return tern_apply(ctx, &tern_op_max, &x, 1, &opts, NULL);
}

tern_tensor *tern_var(tern_ctx *ctx, tern_tensor *x, tern_var_opts opts)
{
    return tern_apply(ctx, &tern_op_var, &x, 1, &opts, NULL);
}
