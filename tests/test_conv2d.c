/* Promises of conv2d: the cpu backend agrees with the plain float64 loops at every SIMD
 * level and shape, each gradient can be had alone, and what dilation and groups mean. */
#include "tests/check.h"

#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "tests/against_ref.h"

/* Channel counts around the vector widths 4, 8, 16 and their panels; rows of pixels
 * around the register blocks; strides, pads and kernels that leave pixels out;
 * dilations that share a factor with the stride or do not; groups that are whole
 * vectors, parts of one, and single channels (depthwise, and with two outputs each). */
static const char *const problems[][2] = {
    { "x=[2,5,6,3] weight=[4,3,3,3] bias=[4]", "pad=1,1" },
    { "x=[1,1,1,1] weight=[1,1,1,1] bias=[1]", "" },
    { "x=[2,9,33,17] weight=[33,3,3,17] bias=[33]", "pad=1,1" },
    { "x=[1,7,31,31] weight=[31,3,3,31]", "pad=1,1" },
    { "x=[3,6,29,16] weight=[32,3,3,16] bias=[32]", "pad=1,1" },
    { "x=[1,4,43,5] weight=[64,2,4,5] bias=[64]", "" },
    { "x=[1,11,13,7] weight=[47,3,3,7] bias=[47]", "stride=2,2 pad=1,1" },
    { "x=[2,11,14,19] weight=[23,5,3,19]", "stride=3,2 pad=2,1" },
    { "x=[1,9,10,33] weight=[5,1,1,33] bias=[5]", "stride=2,3" },
    { "x=[5,3,2,48] weight=[16,1,1,48] bias=[16]", "" },
    { "x=[1,3,3,2] weight=[3,2,2,2] bias=[3]", "stride=5,7 pad=4,3" },
    { "x=[1,5,64,1] weight=[37,3,3,1] bias=[37]", "pad=1,1" },
    { "x=[1,2,3,2] weight=[3,6,7,2] bias=[3]", "pad=3,2" },
    { "x=[37,1,1,6] weight=[8,1,1,6] bias=[8]", "" },
    { "x=[0,4,4,2] weight=[3,3,3,2] bias=[3]", "pad=1,1" },
    { "x=[1,17,19,7] weight=[33,3,3,7] bias=[33]", "dilation=2,3 pad=2,3" },
    { "x=[2,19,23,5] weight=[18,3,4,5] bias=[18]", "stride=4,6 dilation=6,4 pad=5,7" },
    { "x=[1,14,15,16] weight=[16,3,5,16]", "stride=3,2 dilation=2,3 pad=0,4" },
    { "x=[2,6,21,51] weight=[57,3,3,17] bias=[57]", "groups=3 pad=1,1" },
    { "x=[1,7,8,32] weight=[64,2,3,16] bias=[64]", "groups=2 stride=2,1 dilation=1,2" },
    { "x=[1,5,9,13] weight=[26,3,3,1] bias=[26]", "groups=13 pad=1,1" },
    { "x=[2,9,37,48] weight=[48,3,3,1] bias=[48]", "groups=48 pad=1,1" },
    { "x=[1,13,41,19] weight=[19,5,3,1] bias=[19]", "groups=19 stride=2,1 dilation=1,3 pad=2,2" },
    { "x=[3,11,14,33] weight=[33,3,4,1]", "groups=33 stride=3,4 dilation=2,6 pad=3,9" },
    { "x=[1,2,3,5] weight=[5,6,7,1] bias=[5]", "groups=5 pad=3,2" },
    { "x=[0,4,4,2] weight=[2,3,3,1] bias=[2]", "groups=2 pad=1,1" },
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static const char *const activations[] = { "relu", "gelu", "sigmoid", "tanh" };

static void cpu_follows_ref_at_every_level_and_shape(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        assert_sums_follow_ref("conv2d", NULL, problems[i][0], problems[i][1]);
}

static void cpu_follows_ref_with_every_activation(void **state)
{
    char options[100];
    (void)state;
    for (int act = 0; act < 4; act++)
        for (int i = 0; i < PROBLEMS; i += 3) {
            snprintf(options, sizeof options, "%s activation=%s", problems[i][1],
                     activations[act]);
            assert_sums_follow_ref("conv2d", NULL, problems[i][0], options);
        }
}

/* The gradients of a convolution of ramps, of those inputs that are wanted; the
 * others are left as they are. */
static void wanted_gradients(const bool *wanted, double grad[3][128])
{
    static const int64_t shapes[3][4] = { { 1, 4, 4, 3 }, { 4, 3, 3, 3 }, { 4 } };
    static const int ranks[3] = { 4, 4, 1 };
    tern_tensor *in[3];
    double values[128];
    tern_ctx *ctx = open_recording("cpu");
    for (int i = 0; i < 128; i++)
        values[i] = 0.25 * (i % 7) - 0.5;
    for (int i = 0; i < 3; i++) {
        in[i] = tern_input(ctx, "input", TERN_F64, ranks[i], shapes[i], values);
        if (wanted[i])
            tern_require_grad(ctx, in[i]);
    }
    tern_tensor *y =
        tern_conv2d(ctx, in[0], in[1], in[2], (tern_conv2d_opts){ .activation = TERN_ACT_GELU });
    tern_seed_grad(ctx, y, TERN_F64, values);
    tern_backward(ctx, NULL);
    for (int i = 0; i < 3; i++)
        if (wanted[i])
            tern_read(ctx, in[i]->grad, TERN_F64, grad[i]);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void each_gradient_can_be_had_alone(void **state)
{
    static const bool all[3] = { true, true, true };
    double together[3][128] = { { 0 } }, alone[3][128] = { { 0 } };
    (void)state;
    wanted_gradients(all, together);
    for (int i = 0; i < 3; i++)
        wanted_gradients((bool[]){ i == 0, i == 1, i == 2 }, alone);
    assert_memory_equal(together, alone, sizeof together);
}

/* A dilated kernel is a larger one with zeros between its elements, and a grouped one
 * a larger one with zeros for the inputs it does not see; on every device. */
static void convolve(const char *device, const int64_t *x_shape, const int64_t *weight_shape,
                     const double *weights, tern_conv2d_opts opts, double *y)
{
    double x[256];
    tern_ctx *ctx = open_recording(device);
    for (int i = 0; i < 256; i++)
        x[i] = 0.25 * (i * 7 % 11) - 1.25;
    tern_tensor *in = tern_input(ctx, "x", TERN_F64, 4, x_shape, x);
    tern_tensor *weight = tern_input(ctx, "weight", TERN_F64, 4, weight_shape, weights);
    tern_read(ctx, tern_conv2d(ctx, in, weight, NULL, opts), TERN_F64, y);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void dilation_is_a_kernel_with_zeros_between(void **state)
{
    static const int64_t x[] = { 1, 8, 8, 2 }, small[] = { 3, 2, 3, 2 }, large[] = { 3, 3, 7, 2 };
    double weights[36], spread[126] = { 0 }, got[54] = { 0 }, want[54] = { 0 };
    (void)state;
    for (int o = 0; o < 3; o++)
        for (int u = 0; u < 2; u++)
            for (int v = 0; v < 3; v++)
                for (int i = 0; i < 2; i++) {
                    double value = 0.5 * (o + 1) - 0.25 * u + 0.125 * v * (i + 1);
                    weights[((o * 2 + u) * 3 + v) * 2 + i] = value;
                    spread[((o * 3 + 2 * u) * 7 + 3 * v) * 2 + i] = value;
                }
    for (int d = 0; d < 2; d++) {
        const char *device = d ? "cpu" : "ref";
        convolve(device, x, small, weights,
                 (tern_conv2d_opts){ .stride = { 2, 1 }, .pad = { 0, 1 }, .dilation = { 2, 3 } },
                 got);
        convolve(device, x, large, spread,
                 (tern_conv2d_opts){ .stride = { 2, 1 }, .pad = { 0, 1 } }, want);
        assert_memory_equal(got, want, sizeof got); /* sums of such fractions are exact */
    }
}

static void groups_are_zeros_for_the_inputs_not_seen(void **state)
{
    static const int64_t x[] = { 1, 4, 5, 4 }, small[] = { 6, 2, 2, 2 }, large[] = { 6, 2, 2, 4 };
    double weights[48], spread[96] = { 0 }, got[72] = { 0 }, want[72] = { 0 };
    (void)state;
    for (int o = 0; o < 6; o++)
        for (int uv = 0; uv < 4; uv++)
            for (int i = 0; i < 2; i++) {
                double value = 0.5 * (o + 1) - 0.25 * uv + 0.125 * i;
                weights[(o * 4 + uv) * 2 + i] = value;
                spread[(o * 4 + uv) * 4 + o / 3 * 2 + i] = value;
            }
    for (int d = 0; d < 2; d++) {
        const char *device = d ? "cpu" : "ref";
        convolve(device, x, small, weights, (tern_conv2d_opts){ .groups = 2 }, got);
        convolve(device, x, large, spread, (tern_conv2d_opts){ 0 }, want);
        assert_memory_equal(got, want, sizeof got);
    }
}

static void fails(const int64_t *x_shape, const int64_t *weight_shape, int64_t bias_count,
                  tern_conv2d_opts opts, tern_status status, const char *message)
{
    tern_ctx *ctx = open_recording("meta");
    tern_tensor *x = tern_full(ctx, 4, x_shape, 1), *weight = tern_full(ctx, 4, weight_shape, 1);
    tern_tensor *bias = bias_count ? tern_full(ctx, 1, &bias_count, 1) : NULL;
    tern_conv2d(ctx, x, weight, bias, opts);
    assert_tern_fails(ctx, status, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    fails((int64_t[]){ 8, 64, 64, 3 }, (int64_t[]){ 64, 3, 3, 16 }, 0, (tern_conv2d_opts){ 0 },
          TERN_ERR_SHAPE,
          "conv2d: weight [64,3,3,16] (O,kh,kw,I) wants 16 input channels, x is [8,64,64,3] "
          "(N,H,W,C)");
    fails((int64_t[]){ 1, 4, 4, 3 }, (int64_t[]){ 5, 3, 3, 3 }, 4, (tern_conv2d_opts){ 0 },
          TERN_ERR_SHAPE, "bias [4] must be [5]");
    fails((int64_t[]){ 1, 4, 4, 3 }, (int64_t[]){ 5, 3, 7, 3 }, 5,
          (tern_conv2d_opts){ .pad = { 1, 1 } }, TERN_ERR_SHAPE,
          "weight [5,3,7,3] (O,kh,kw,I) is larger than x [1,4,4,3] (N,H,W,C) padded by 1,1");
    fails((int64_t[]){ 1, 4, 0, 3 }, (int64_t[]){ 5, 3, 3, 3 }, 5, (tern_conv2d_opts){ 0 },
          TERN_ERR_SHAPE, "only N may be 0");
    fails((int64_t[]){ 1, 4, 4, 3 }, (int64_t[]){ 5, 3, 3, 3 }, 5,
          (tern_conv2d_opts){ .stride = { -1, 1 } }, TERN_ERR_OPTION, "stride is -1");
    fails((int64_t[]){ 1, 4, 4, 3 }, (int64_t[]){ 5, 3, 3, 3 }, 5,
          (tern_conv2d_opts){ .dilation = { 1, 2 } }, TERN_ERR_SHAPE,
          "weight [5,3,3,3] (O,kh,kw,I), dilated, is larger than x [1,4,4,3]");
    fails((int64_t[]){ 1, 4, 4, 6 }, (int64_t[]){ 5, 3, 3, 3 }, 5,
          (tern_conv2d_opts){ .groups = 2 }, TERN_ERR_SHAPE, "groups 2 must divide the channels");
    fails((int64_t[]){ 1, 4, 4, 6 }, (int64_t[]){ 4, 3, 3, 2 }, 4,
          (tern_conv2d_opts){ .groups = 2 }, TERN_ERR_SHAPE,
          "(O,kh,kw,I/groups) wants 4 input channels in 2 groups, x is [1,4,4,6]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_shape),
        cmocka_unit_test(cpu_follows_ref_with_every_activation),
        cmocka_unit_test(each_gradient_can_be_had_alone),
        cmocka_unit_test(dilation_is_a_kernel_with_zeros_between),
        cmocka_unit_test(groups_are_zeros_for_the_inputs_not_seen),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
