/* Promises of layer norm: normalised rows also far from zero, gradients of gain and
 * bias summed over many blocks of rows. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/layer_norm/layer_norm.h"
#include "tests/against_ref.h"

static void cpu_follows_ref_at_every_level_and_width(void **state)
{
    static const char *const inputs[] = {
        "x=[701,128] gain=[128] bias=[128]",
        "x=[65,31] gain=[31]",
        "x=[33,16] bias=[16]",
        "x=[67,1031] gain=[1031] bias=[1031]",
        "x=[3,4001]",
        "x=[2,3,5,8] gain=[8] bias=[8]",
        "x=[0,6] gain=[6] bias=[6]",
        "x=[3,0] gain=[0] bias=[0]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        assert_cpu_follows_ref("layer_norm", inputs[i], "", 4e-6);
}

/* The variance is that of the differences from the mean, so it survives a mean that
 * is a thousand times the deviation; E[x^2] - E[x]^2 in float32 would not. */
static void a_great_mean_does_not_spoil_the_variance(void **state)
{
    enum { WIDTH = 64 };
    (void)state;
    double x[WIDTH], found[WIDTH];
    tern_ctx *ctx = open_recording("cpu");
    for (int i = 0; i < WIDTH; i++)
        x[i] = 4096 + (i % 2 ? 1 : -1);
    tern_tensor *input = tern_input(ctx, "x", TERN_F64, 2, (int64_t[]){ 1, WIDTH }, x);
    tern_read(ctx, tern_layer_norm(ctx, input, NULL, NULL, (tern_layer_norm_opts){ 0 }), TERN_F64,
              found);
    assert_tern_ok(ctx);
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabs(found[i] - (i % 2 ? 1 : -1) / sqrt(1 + 1e-5)) < 1e-6);
    tern_ctx_free(ctx);
}

/* Sums of ones are exact: every row counts once in bias's gradient. */
static void the_gradient_of_bias_counts_every_row(void **state)
{
    enum { ROWS = 1000, WIDTH = 5 };
    static double seed[ROWS * WIDTH];
    (void)state;
    for (int device = 0; device < 2; device++) {
        double grad[WIDTH];
        tern_ctx *ctx = open_recording(device ? "cpu" : "ref");
        tern_tensor *bias = tern_require_grad(ctx, tern_full(ctx, 1, (int64_t[]){ WIDTH }, 0));
        tern_tensor *x = tern_full(ctx, 2, (int64_t[]){ ROWS, WIDTH }, 3);
        tern_tensor *y = tern_layer_norm(ctx, x, NULL, bias, (tern_layer_norm_opts){ 0 });
        for (int i = 0; i < ROWS * WIDTH; i++)
            seed[i] = 1;
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_backward(ctx, NULL);
        tern_read(ctx, bias->grad, TERN_F64, grad);
        assert_tern_ok(ctx);
        for (int i = 0; i < WIDTH; i++)
            assert_true(grad[i] == ROWS);
        tern_ctx_free(ctx);
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *x = tern_full(ctx, 2, (int64_t[]){ 2, 3 }, 1);
    tern_layer_norm(ctx, x, NULL, tern_full(ctx, 1, (int64_t[]){ 2 }, 1),
                    (tern_layer_norm_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "layer_norm: bias [2] must be [3], the last axis of x");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_width),
        cmocka_unit_test(a_great_mean_does_not_spoil_the_variance),
        cmocka_unit_test(the_gradient_of_bias_counts_every_row),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
