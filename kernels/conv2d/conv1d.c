/* The contract of conv1d; see conv1d.h for the formula and shapes.
 *
 * Its implementations are conv2d's, in whose eyes the steps are rows of one pixel: its
 * options therefore lie in conv2d's struct, of which it shows what belongs to rows. */
#include "kernels/conv2d/conv1d.h"

#include "kernels/conv2d/conv2d_geometry.h"

enum { STRIDE_MAX = 1 << 20, PAD_MAX = 1 << 20, DILATION_MAX = 1 << 20, GROUPS_MAX = 1 << 20 };

static const tern_option options[] = {
    { .name = "stride", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, stride),
      .fallback = 1, .lowest = 1, .highest = STRIDE_MAX, .doc = "step of the kernel" },
    { .name = "pad", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, pad),
      .highest = PAD_MAX, .doc = "zero steps before and after" },
    { .name = "dilation", .type = TERN_OPTION_INT,
      .offset = offsetof(tern_conv2d_opts, dilation), .fallback = 1, .lowest = 1,
      .highest = DILATION_MAX, .doc = "steps from one kernel element to the next" },
    { .name = "groups", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, groups),
      .fallback = 1, .lowest = 1, .highest = GROUPS_MAX,
      .doc = "parts of the channels that do not see each other; I for depthwise" },
    { .name = "activation", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_conv2d_opts, activation), .choices = tern_activation_names,
      .doc = "applied to the result" },
    { 0 },
};

/* CHECK: kernels with remainders of steps and of channels, wider than the sequence,
 * dilated; groups, depthwise with whole and broken vectors. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK, "x=[2,11,3] weight=[5,4,3] bias=[5]", "pad=1 activation=relu" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1] weight=[1,1,1] bias=[1]", "" },
    { TERN_SAMPLE_CHECK, "x=[3,13,31] weight=[17,3,31]", "stride=2 activation=gelu" },
    { TERN_SAMPLE_CHECK, "x=[1,3,2] weight=[3,5,2] bias=[3]", "pad=2 activation=sigmoid" },
    { TERN_SAMPLE_CHECK, "x=[2,17,4] weight=[6,3,2] bias=[6]",
      "stride=3 pad=4 dilation=2 groups=2 activation=tanh" },
    { TERN_SAMPLE_CHECK, "x=[2,7,37] weight=[37,3,1] bias=[37]", "pad=2 dilation=2 groups=37" },
    { TERN_SAMPLE_CHECK, "x=[0,5,2] weight=[3,3,2] bias=[3]", "pad=1" },
    { TERN_SAMPLE_BENCH, "x=[32,100,128] weight=[128,3,128] bias=[128]", "pad=1" },
    { 0, NULL, NULL },
};

const tern_op tern_op_conv1d = {
    .name = "conv1d",
    .summary = "convolution over time with stride, padding, dilation and groups, fused bias and "
               "activation",
    .doc = "y[n,t,o] = act( bias[o] + sum_{u,i} x[n, step, first(o)+i] * weight[o,u,i] )\n"
           "step = t*stride + u*dilation - pad; x is zero outside\n"
           "first(o) = floor(o / (O/groups)) * I/groups: an output sees its group's inputs\n"
           "To = floor((T + 2*pad - dilation*(k-1) - 1) / stride) + 1",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, T, I]" },
            { "weight", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[O, k, I/groups]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[O]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[N, To, O]" } },
    .saved = { { "before_activation", TERN_REAL, 0, "[N, To, O], gelu only" } },
    .options_size = sizeof(tern_conv2d_opts),
    .options = options,
    .shape = tern_conv2d_shape,
    .cost = tern_conv2d_cost,
    .samples = samples, .sums_products = true,
};

tern_tensor *tern_conv1d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv1d_opts opts)
{
    const tern_conv2d_opts rows = { .stride = { opts.stride }, .pad = { opts.pad },
                                    .dilation = { opts.dilation }, .groups = opts.groups,
                                    .activation = opts.activation };
    tern_tensor *inputs[] = { x, weight, bias };
    return tern_apply(ctx, &tern_op_conv1d, inputs, 3, &rows, NULL);
}
