/* Promises of conv2d on the cpu backend: it agrees with the plain float64 loops at
 * every SIMD level and shape, accumulates where asked, and its bits do not depend on
 * the number of threads. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "kernels/table.h"
#include "tests/op_run.h"

typedef struct problem {
    const char *inputs, *options;
} problem;

/* Channel counts around the vector widths 4, 8, 16 and their panels; rows of pixels
 * around the register blocks; strides, pads and kernels that leave pixels out. */
static const problem problems[] = {
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
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static const char *const activations[] = { "relu", "gelu", "sigmoid", "tanh" };

static int64_t shape_of(const char *inputs, const char *name, int axis)
{
    tern_error error = { 0 };
    tern_sample_input input;
    while ((inputs = tern_sample_next(inputs, &input, &error)))
        if (strcmp(input.name, name) == 0)
            return input.shape[axis];
    return 1;
}

/* 8 eps sqrt(terms) times the sum of |terms|, which the plain loops compute from
 * absolute values; slopes of activations are at most 1.13, so they are left out. */
static void check_against_ref(const problem *p, const char *options, op_run_how how)
{
    char what[200];
    op_result want = op_run("conv2d", p->inputs, options, (op_run_how){ .uses = how.uses });
    op_result terms = op_run("conv2d", p->inputs, p->options, (op_run_how){ .absolute = true });
    op_result got = op_run("conv2d", p->inputs, options, how);
    double window = (double)(shape_of(p->inputs, "weight", 1) * shape_of(p->inputs, "weight", 2));
    double outputs = (double)shape_of(p->inputs, "weight", 0);
    double channels = (double)shape_of(p->inputs, "weight", 3);
    double pixels = (double)want.out[0].count / outputs;
    double count[] = { window * outputs, pixels, pixels };
    double unit = 8 * 0.5 * FLT_EPSILON * (how.uses ? how.uses : 1) * 1.13;

    snprintf(what, sizeof what, "y, %s %s %s", p->inputs, options, how.simd);
    assert_values_near(what, &got.out[0], &want.out[0], &terms.out[0],
                       unit * sqrt(window * channels + 1));
    for (int i = 0; i < 3; i++) {
        snprintf(what, sizeof what, "gradient %d, %s %s %s", i, p->inputs, options, how.simd);
        assert_values_near(what, &got.grad[i], &want.grad[i], &terms.grad[i],
                           unit * (sqrt(count[i]) + 1));
    }
    op_result_free(&want);
    op_result_free(&terms);
    op_result_free(&got);
}

static void every_simd_level_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    (void)state;
    for (int level = 0; level < count; level++)
        for (int i = 0; i < PROBLEMS; i++)
            check_against_ref(&problems[i], problems[i].options,
                              (op_run_how){ .device = "cpu", .simd = levels[level] });
}

static void every_activation_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    char options[100];
    (void)state;
    for (int level = 0; level < count; level++)
        for (int act = 0; act < 4; act++)
            for (int i = 0; i < PROBLEMS; i += 3) {
                snprintf(options, sizeof options, "%s activation=%s", problems[i].options,
                         activations[act]);
                check_against_ref(&problems[i], options,
                                  (op_run_how){ .device = "cpu", .simd = levels[level] });
            }
}

static void gradients_accumulate_over_uses(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        check_against_ref(&problems[i], problems[i].options,
                          (op_run_how){ .device = "cpu", .uses = 3 });
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        op_result one = op_run("conv2d", problems[i].inputs, problems[i].options,
                               (op_run_how){ .device = "cpu", .threads = 1 });
        for (int threads = 2; threads <= 5; threads += 3) {
            op_result many = op_run("conv2d", problems[i].inputs, problems[i].options,
                                    (op_run_how){ .device = "cpu", .threads = threads });
            if (!op_results_equal(&one, &many))
                fail_msg("%d threads give other bits: %s %s", threads, problems[i].inputs,
                         problems[i].options);
            op_result_free(&many);
        }
        op_result_free(&one);
    }
}

/* The gradients of a convolution of ramps, of those inputs that are wanted; the
 * others are left as they are. */
static void wanted_gradients(const bool *wanted, double grad[3][128])
{
    static const int64_t shapes[3][4] = { { 1, 4, 4, 3 }, { 4, 3, 3, 3 }, { 4 } };
    static const int ranks[3] = { 4, 4, 1 };
    tern_error error = { 0 };
    tern_tensor *in[3];
    double values[128];
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .poison = true }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    for (int i = 0; i < 128; i++)
        values[i] = 0.25 * (i % 7) - 0.5;
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
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

static void fails(const int64_t *x_shape, const int64_t *weight_shape, int64_t bias_count,
                  tern_conv2d_opts opts, tern_status status, const char *message)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_simd_level_agrees_with_ref),
        cmocka_unit_test(every_activation_agrees_with_ref),
        cmocka_unit_test(gradients_accumulate_over_uses),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(each_gradient_can_be_had_alone),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
