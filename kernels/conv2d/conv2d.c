/* The contract of conv2d; see conv2d.h for the formula and shapes. */
#include "kernels/conv2d/conv2d.h"

#include "kernels/conv2d/conv2d_geometry.h"

enum { STRIDE_MAX = 1 << 20, PAD_MAX = 1 << 20 };

static const tern_option options[] = {
    { .name = "stride", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, stride),
      .length = 2, .fallback = 1, .lowest = 1, .highest = STRIDE_MAX,
      .doc = "step of the kernel over rows and columns" },
    { .name = "pad", .type = TERN_OPTION_INT, .offset = offsetof(tern_conv2d_opts, pad),
      .length = 2, .highest = PAD_MAX,
      .doc = "zero rows above and below, zero columns left and right" },
    { .name = "activation", .type = TERN_OPTION_CHOICE,
      .offset = offsetof(tern_conv2d_opts, activation), .choices = tern_activation_names,
      .doc = "applied to the result" },
    { 0 },
};

/* x, weight and bias agree with each other and with the padding. */
static bool check_shapes(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const tern_tensor *x = call->in[0], *weight = call->in[1], *bias = call->in[2];
    char xt[TERN_SHAPE_TEXT], wt[TERN_SHAPE_TEXT], bt[TERN_SHAPE_TEXT];
    tern_shape_text(x, xt);
    tern_shape_text(weight, wt);

    if (x->rank != 4 || weight->rank != 4) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x %s must be (N,H,W,C) and weight %s (O,kh,kw,I)",
                       xt, wt);
        return false;
    }
    if (weight->count == 0 || tern_extent(x, 1, 4) == 0) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "x %s (N,H,W,C) and weight %s (O,kh,kw,I): only N may be 0", xt, wt);
        return false;
    }
    if (weight->shape[3] != x->shape[3]) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "weight %s (O,kh,kw,I) wants %lld input channels, x is %s (N,H,W,C)", wt,
                       (long long)weight->shape[3], xt);
        return false;
    }
    if (bias && (bias->rank != 1 || bias->shape[0] != weight->shape[0])) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "bias %s must be [%lld], one for each output channel of weight %s",
                       tern_shape_text(bias, bt), (long long)weight->shape[0], wt);
        return false;
    }
    for (int axis = 0; axis < 2; axis++)
        if (weight->shape[axis + 1] > x->shape[axis + 1] + 2 * opts->pad[axis]) {
            tern_call_fail(call, TERN_ERR_SHAPE,
                           "weight %s (O,kh,kw,I) is larger than x %s (N,H,W,C) padded by "
                           "%lld,%lld", wt, xt, (long long)opts->pad[0], (long long)opts->pad[1]);
            return false;
        }
    return true;
}

static void conv2d_shape(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    if (!check_shapes(call))
        return;
    conv2d_geometry g = conv2d_geometry_of(call);
    int64_t shape[] = { g.images, g.out_rows, g.out_columns, g.outputs };
    tern_declare_out(call, 0, call->in[0]->dtype, 4, shape);
    if (tern_activation_saves_input((tern_activation)opts->activation))
        tern_declare_saved(call, 0, call->in[0]->dtype, 4, shape);
}

static void conv2d_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    conv2d_geometry g = conv2d_geometry_of(call);
    double pixels = (double)g.images * (double)g.out_rows * (double)g.out_columns;
    double multiply_adds = pixels * (double)call->in[1]->count;
    forward->flops = 2 * multiply_adds;
    backward->flops = 4 * multiply_adds;
}

/* CHECK: strides and pads that differ by axis, a kernel wider than the image, a
 * stride beyond the kernel (input pixels that nothing reads), a remainder of rows
 * that the last stride leaves out, channel counts 1, 3, primes and 31.
 * BENCH: the layers of a small face CNN, and a first layer. */
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
    { TERN_SAMPLE_BENCH, "x=[16,64,64,3] weight=[32,3,3,3] bias=[32]", "pad=1,1 activation=relu" },
    { TERN_SAMPLE_BENCH, "x=[16,64,64,32] weight=[32,3,3,32] bias=[32]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,32] weight=[64,3,3,32] bias=[64]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,64] weight=[128,3,3,64] bias=[128]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,8,8,128] weight=[128,3,3,128] bias=[128]", "pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,32,32,64] weight=[128,3,3,64] bias=[128]", "stride=2,2 pad=1,1" },
    { TERN_SAMPLE_BENCH, "x=[16,16,16,64] weight=[128,1,1,64] bias=[128]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_conv2d = {
    .name = "conv2d",
    .summary = "2-D convolution with stride and padding, fused bias and activation",
    .doc = "y[n,p,q,o] = act( bias[o] + sum_{u,v,i} x[n, p*stride0+u-pad0, q*stride1+v-pad1, i]\n"
           "                                        * weight[o,u,v,i] ),  x zero outside\n"
           "Ho = floor((H + 2*pad0 - kh) / stride0) + 1, Wo likewise",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, H, W, I]" },
            { "weight", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[O, kh, kw, I]" },
            { "bias", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[O]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[N, Ho, Wo, O]" } },
    .saved = { { "before_activation", TERN_REAL, 0, "[N, Ho, Wo, O], gelu only" } },
    .options_size = sizeof(tern_conv2d_opts),
    .options = options,
    .shape = conv2d_shape,
    .cost = conv2d_cost,
    .samples = samples,
};

tern_tensor *tern_conv2d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv2d_opts opts)
{
    tern_tensor *inputs[] = { x, weight, bias };
    return tern_apply(ctx, &tern_op_conv2d, inputs, 3, &opts, NULL);
}
