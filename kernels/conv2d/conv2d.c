/* The contract of conv2d, see conv2d.h for the formula and shapes; and the rules for
 * shapes that conv1d shares with it. */
#include "kernels/conv2d/conv2d.h"

#include <stdio.h>

#include "kernels/conv2d/conv1d.h"
#include "kernels/conv2d/conv2d_geometry.h"

enum { STRIDE_MAX = 1 << 20, PAD_MAX = 1 << 20, DILATION_MAX = 1 << 20, GROUPS_MAX = 1 << 20 };

static const tern_option options[] = {
    { .name = "stride", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, stride),
      .length = 2, .fallback = 1, .lowest = 1, .highest = STRIDE_MAX,
      .doc = "step of the kernel over rows and columns" },
    { .name = "pad", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, pad),
      .length = 2, .highest = PAD_MAX,
      .doc = "zero rows above and below, zero columns left and right" },
    { .name = "dilation", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_conv2d_opts, dilation), .length = 2, .fallback = 1, .lowest = 1,
      .highest = DILATION_MAX, .doc = "pixels from one kernel element to the next" },
    { .name = "groups", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, groups),
      .fallback = 1, .lowest = 1, .highest = GROUPS_MAX,
      .doc = "parts of the channels that do not see each other; I for depthwise" },
    { .name = "activation", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_conv2d_opts, activation), .choices = tern_activation_names,
      .doc = "applied to the result" },
    { 0 },
};

/* How messages name the axes of x and weight. */
typedef struct axis_names {
    int rank;
    const char *x, *weight, *group_weight;
} axis_names;

static axis_names axes_of(const tern_op *op)
{
    return op == &tern_op_conv1d
               ? (axis_names){ 3, "(N,T,C)", "(O,k,I)", "(O,k,I/groups)" }
               : (axis_names){ 4, "(N,H,W,C)", "(O,kh,kw,I)", "(O,kh,kw,I/groups)" };
}

/* Groups divide the channels, and weight has as many as one group. */
static bool check_channels(tern_call *call, const char *xt, const char *wt)
{
    const tern_conv2d_opts *opts = call->options;
    const axis_names axes = axes_of(call->op);
    int64_t inputs = call->in[0]->shape[axes.rank - 1], outputs = call->in[1]->shape[0];
    if (inputs % opts->groups != 0 || outputs % opts->groups != 0) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "groups %lld must divide the channels of x %s %s and the outputs "
                       "of weight %s %s", (long long)opts->groups, xt, axes.x, wt, axes.weight);
        return false;
    }
    int64_t wanted = call->in[1]->shape[axes.rank - 1] * opts->groups;
    if (wanted == inputs)
        return true;
    if (opts->groups == 1)
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "weight %s %s wants %lld input channels, x is %s %s", wt, axes.weight,
                       (long long)wanted, xt, axes.x);
    else
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "weight %s %s wants %lld input channels in %lld groups, x is %s %s", wt,
                       axes.group_weight, (long long)wanted, (long long)opts->groups, xt, axes.x);
    return false;
}

/* The kernel is no larger than the padded image, along every axis but the channels. */
static bool check_room(tern_call *call, const char *xt, const char *wt)
{
    const tern_conv2d_opts *opts = call->options;
    const axis_names axes = axes_of(call->op);
    for (int axis = 0; axis < axes.rank - 2; axis++) {
        int64_t span = conv2d_span(call->in[1]->shape[axis + 1], opts->dilation[axis]);
        if (span <= call->in[0]->shape[axis + 1] + 2 * opts->pad[axis])
            continue;
        char columns[32] = "";
        if (axes.rank == 4)
            snprintf(columns, sizeof columns, ",%lld", (long long)opts->pad[1]);
        tern_call_fail(call, TERN_ERR_SHAPE, "weight %s %s%s is larger than x %s %s padded by "
                       "%lld%s", wt, axes.weight, opts->dilation[axis] > 1 ? ", dilated," : "", xt,
                       axes.x, (long long)opts->pad[0], columns);
        return false;
    }
    return true;
}

/* x, weight and bias agree with each other and with the padding. */
static bool check_shapes(tern_call *call)
{
    const tern_tensor *x = call->in[0], *weight = call->in[1], *bias = call->in[2];
    const axis_names axes = axes_of(call->op);
    char xt[TERN_SHAPE_TEXT], wt[TERN_SHAPE_TEXT], bt[TERN_SHAPE_TEXT];
    tern_shape_text(x, xt);
    tern_shape_text(weight, wt);

    if (x->rank != axes.rank || weight->rank != axes.rank) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be %s and weight %s %s", xt, axes.x, wt,
                       axes.weight);
        return false;
    }
    if (weight->count == 0 || tern_extent(x, 1, axes.rank) == 0) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s %s and weight %s %s: only N may be 0", xt,
                       axes.x, wt, axes.weight);
        return false;
    }
    if (!check_channels(call, xt, wt))
        return false;
    if (bias && (bias->rank != 1 || bias->shape[0] != weight->shape[0])) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "bias %s must be [%lld], one for each output channel of weight %s",
                       tern_shape_text(bias, bt), (long long)weight->shape[0], wt);
        return false;
    }
    return check_room(call, xt, wt);
}

void tern_conv2d_shape(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    if (!check_shapes(call))
        return;
    conv2d_geometry g = conv2d_geometry_of(call);
    int rank = call->in[0]->rank;
    int64_t shape[] = { g.images, g.out_rows, g.out_columns, g.outputs };
    shape[rank - 1] = g.outputs;
    tern_declare_activated(call, (tern_activation)opts->activation, rank, shape);
}

void tern_conv2d_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    conv2d_geometry g = conv2d_geometry_of(call);
    double pixels = (double)g.images * (double)g.out_rows * (double)g.out_columns;
    double multiply_adds = pixels * (double)call->in[1]->count;
    forward->flops = 2 * multiply_adds;
    backward->flops = 2 * multiply_adds * (!!call->grad_in[0] + !!call->grad_in[1]);
}

/* CHECK: strides and pads that differ by axis, a kernel wider than the image, a
 * stride beyond the kernel (input pixels that nothing reads), a remainder of rows
 * that the last stride leaves out, channel counts 1, 3, primes and 31; dilations
 * alone and with strides that share a factor with them or do not; groups of several
 * channels, depthwise with whole and broken vectors, one input for several outputs; 3x3 with
 * eight channels and more, which Winograd's algorithm takes on cpu.
 * BENCH: the layers of a small face CNN, and a first layer; dilated, grouped and
 * depthwise ones. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,5,6,3] weight=[4,3,3,3] bias=[4]", "pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1,1] weight=[1,1,1,1] bias=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,7,9,2] weight=[5,3,2,2] bias=[5]",
      "stride=2,3 pad=1,0 activation=relu" },
    { TERN_SAMPLE_CHECK, "x=[1,8,5,1] weight=[3,5,3,1]", "stride=3,2 pad=2,1 activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[2,6,7,5] weight=[7,1,1,5] bias=[7]", "stride=2,2 activation=tanh" },
    { TERN_SAMPLE_CHECK, "x=[3,4,3,7] weight=[2,1,1,7]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,2,3,2] weight=[3,5,4,2] bias=[3]", "pad=3,2 activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[1,3,17,2] weight=[31,2,3,2] bias=[31]", "pad=0,1" },
    { TERN_SAMPLE_CHECK, "x=[1,4,3,31] weight=[3,2,2,31] bias=[3]", "pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2] weight=[3,3,3,2] bias=[3]", "pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[1,7,9,3] weight=[5,3,3,3] bias=[5]",
      "dilation=2,3 pad=2,1 activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[2,9,11,2] weight=[3,3,2,2] bias=[3]",
      "stride=2,3 dilation=2,2 pad=3,1" },
    { TERN_SAMPLE_CHECK, "x=[1,13,8,1] weight=[2,2,3,1]", "stride=6,4 dilation=4,3 pad=1,2" },
    { TERN_SAMPLE_CHECK, "x=[2,4,5,6] weight=[4,3,3,3] bias=[4]",
      "groups=2 pad=1,1 activation=relu" },
    { TERN_SAMPLE_CHECK, "x=[1,5,6,31] weight=[62,2,1,1] bias=[62]",
      "groups=31 stride=2,1 activation=tanh" },
    { TERN_SAMPLE_CHECK, "x=[1,6,7,21] weight=[9,2,2,7]", "groups=3 dilation=2,3 stride=1,2" },
    { TERN_SAMPLE_CHECK, "x=[2,6,13,5] weight=[5,3,3,1] bias=[5]",
      "groups=5 pad=1,1 activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[1,11,12,37] weight=[37,3,2,1] bias=[37]",
      "groups=37 stride=2,3 dilation=2,2 pad=2,1 activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[1,3,17,2] weight=[2,1,5,1]", "groups=2 pad=1,7 stride=2,1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,2] weight=[2,3,3,1] bias=[2]", "groups=2 pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[1,5,9,8] weight=[9,3,3,8] bias=[9]", "pad=1,1 activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[4,2,3,11] weight=[8,3,3,11]", "pad=1,1" },
    { TERN_SAMPLE_CHECK, "x=[0,4,4,8] weight=[8,3,3,8] bias=[8]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,64,64,3] weight=[32,3,3,3] bias=[32]", "pad=1,1 activation=relu" },
    { TERN_SAMPLE_BENCH, "x=[16,64,64,32] weight=[32,3,3,32] bias=[32]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,32] weight=[64,3,3,32] bias=[64]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,64] weight=[128,3,3,64] bias=[128]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,8,8,128] weight=[128,3,3,128] bias=[128]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64] weight=[128,3,3,64] bias=[128]", "stride=2,2 pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,64] weight=[128,1,1,64] bias=[128]", "" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,64] weight=[128,3,3,64] bias=[128]",
      "dilation=2,2 pad=2,2" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,128] weight=[128,3,3,32] bias=[128]", "groups=4 pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64] weight=[64,3,3,1] bias=[64]", "groups=64 pad=1,1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_conv2d = {
    .name = "conv2d",
    .summary = "2-D convolution with stride, padding, dilation and groups, fused bias and "
               "activation",
    .doc = "y[n,p,q,o] = act( bias[o] + sum_{u,v,i} x[n, row, column, first(o)+i] * "
           "weight[o,u,v,i] )\n"
           "row = p*stride0 + u*dilation0 - pad0, column likewise; x is zero outside\n"
           "first(o) = floor(o / (O/groups)) * I/groups: an output sees its group's inputs\n"
           "Ho = floor((H + 2*pad0 - dilation0*(kh-1) - 1) / stride0) + 1, Wo likewise",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, H, W, I]" },
            { "weight", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[O, kh, kw, I/groups]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[O]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[N, Ho, Wo, O]" } },
    .saved = { { "before_activation", TERN_REAL, 0, "[N, Ho, Wo, O], gelu only" } },
    .options_size = sizeof(tern_conv2d_opts),
    .options = options,
    .shape = tern_conv2d_shape,
    .cost = tern_conv2d_cost,
    .samples = samples, .sums_products = true,
};

tern_tensor *tern_conv2d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv2d_opts opts)
{
    tern_tensor *inputs[] = { x, weight, bias };
    return tern_apply(ctx, &tern_op_conv2d, inputs, 3, &opts, NULL);
}
