/* Promises of the pooling ops: PyTorch's choice of the winner, what padding counts for,
 * where adaptive windows lie, and agreement of cpu with ref for sizes of every kind. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/pool/pool.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

static void cpu_follows_ref_at_every_level_and_size(void **state)
{
    static const char *const problems[][3] = {
        { "max_pool2d", "x=[3,31,29,17]", "window=3,3 stride=2,2 pad=1,1" },
        { "max_pool2d", "x=[2,9,8,33]", "window=2,3 stride=5,1 pad=1,1" },
        { "max_pool2d", "x=[5,7,6,1]", "window=0,2" },
        { "max_pool2d", "x=[37,1,1,5]", "" },
        { "avg_pool2d", "x=[3,31,29,17]", "window=3,3 stride=2,2" },
        { "avg_pool2d", "x=[2,76,20,131]", "window=1,0" },
        { "avg_pool2d", "x=[2,9,8,33]", "window=2,3 stride=5,1" },
        { "avg_pool2d", "x=[3,31,29,17]", "window=3,5 stride=2,1 pad=1,2" },
        { "avg_pool2d", "x=[3,31,29,17]", "window=3,5 stride=2,1 pad=1,2 exclude_pad=true" },
        { "adaptive_avg_pool2d", "x=[3,31,29,67]", "size=7,5" },
        { "adaptive_avg_pool2d", "x=[2,3,5,17]", "size=8,31" },
        { "adaptive_max_pool2d", "x=[3,31,29,67]", "size=7,5" },
        { "adaptive_max_pool2d", "x=[2,3,5,17]", "size=8,31" },
        { "global_avg_pool", "x=[3,31,29,67]", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        assert_cpu_follows_ref(problems[i][0], problems[i][1], problems[i][2], 8 * FLT_EPSILON);
}

/* One row of five pixels with two equal channels, in windows of three pixels that
 * overlap by one: y [1,1,2,2] and, for output gradients 1 and 10, x's gradient. */
static void pool_row(const char *device, const float *row, double *y, double *grad)
{
    float x[10];
    const double seed[4] = { 1, 1, 10, 10 };
    tern_ctx *ctx = open_recording(device);
    for (int i = 0; i < 10; i++)
        x[i] = row[i / 2];
    tern_tensor *input = tern_input(ctx, "x", TERN_F32, 4, (int64_t[]){ 1, 1, 5, 2 }, x);
    tern_tensor *output = tern_max_pool2d(
        ctx, tern_require_grad(ctx, input),
        (tern_max_pool2d_opts){ .window = { 1, 3 }, .stride = { 1, 2 } });
    tern_seed_grad(ctx, output, TERN_F64, seed);
    tern_backward(ctx, NULL);
    assert_tern_ok(ctx);
    tern_read(ctx, output, TERN_F64, y);
    tern_read(ctx, input->grad, TERN_F64, grad);
    tern_ctx_free(ctx);
}

static void the_first_of_equal_values_wins(void **state)
{
    const float row[5] = { 2, 7, 7, 7, 1 };
    double y[4], grad[10];
    (void)state;
    for (int d = 0; d < 2; d++) {
        pool_row(devices[d], row, y, grad);
        for (int c = 0; c < 2; c++) {
            assert_true(y[c] == 7 && y[2 + c] == 7);
            assert_true(grad[c] == 0 && grad[2 + c] == 1 && grad[4 + c] == 10 &&
                        grad[6 + c] == 0 && grad[8 + c] == 0);
        }
    }
}

static void nan_wins(void **state)
{
    const float row[5] = { 9, NAN, 3, 2, 1 };
    double y[4], grad[10];
    (void)state;
    for (int d = 0; d < 2; d++) {
        pool_row(devices[d], row, y, grad);
        for (int c = 0; c < 2; c++) {
            assert_true(isnan(y[c]) && y[2 + c] == 3);
            assert_true(grad[c] == 0 && grad[2 + c] == 1 && grad[4 + c] == 10);
        }
    }
}

static void padding_never_wins(void **state)
{
    (void)state;
    op_result result = op_run("cpu", "max_pool2d", "x=[2,5,5,19]{-9..-1}", "window=3,3 pad=1,1",
                              (op_run_how){ .uses = 1 });
    for (int64_t i = 0; i < result.out[0].count; i++)
        assert_true(result.out[0].values[i] <= -1);
    op_result_free(&result);
}

/* Ones with padding: the border's means show what was divided by. */
static void padding_counts_as_zeros_unless_excluded(void **state)
{
    (void)state;
    static const char *const options[] = { "window=3,3 stride=1,1 pad=1,1",
                                           "window=3,3 stride=1,1 pad=1,1 exclude_pad=true" };
    for (int exclude = 0; exclude < 2; exclude++)
        for (int d = 0; d < 2; d++) {
            op_result result = op_run(devices[d], "avg_pool2d", "x=[1,4,4,5]{1..1}",
                                      options[exclude], (op_run_how){ .uses = 1 });
            for (int64_t i = 0; i < result.out[0].count; i++) {
                int64_t row = i / 5 / 4, column = i / 5 % 4;
                double pixels = (row % 3 ? 3 : 2) * (column % 3 ? 3 : 2);
                assert_float_equal(result.out[0].values[i], exclude ? 1 : pixels / 9, 1e-6);
            }
            op_result_free(&result);
        }
}

/* A row of 5 in 3 windows: pixels 0-1, 1-3 and 3-4 (floor and ceil of thirds). */
static void adaptive_windows_overlap_where_it_does_not_go_even(void **state)
{
    static const struct {
        int from, to;
    } window[3] = { { 0, 2 }, { 1, 4 }, { 3, 5 } };
    (void)state;
    const op_run_how once = { .uses = 1 };
    op_result mean = op_run("cpu", "adaptive_avg_pool2d", "x=[1,1,5,1]", "size=1,3", once);
    op_result largest = op_run("cpu", "adaptive_max_pool2d", "x=[1,1,5,1]", "size=1,3", once);
    for (int q = 0; q < 3; q++) {
        double sum = 0, best = -INFINITY;
        for (int i = window[q].from; i < window[q].to; i++) {
            sum += mean.in[0].values[i];
            best = fmax(best, mean.in[0].values[i]);
        }
        assert_float_equal(mean.out[0].values[q], sum / (window[q].to - window[q].from), 1e-6);
        assert_true(largest.out[0].values[q] == best);
    }
    op_result_free(&mean);
    op_result_free(&largest);
}

static void wrong_windows_are_named(void **state)
{
    tern_ctx *ctx = open_recording("meta");
    (void)state;
    tern_tensor *x = tern_full(ctx, 4, (int64_t[]){ 2, 4, 5, 3 }, 1);
    tern_max_pool2d(ctx, x, (tern_max_pool2d_opts){ .window = { 2, 2 }, .pad = { 1, 2 } });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "pad 1,2 is more than half the window 2,2");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    x = tern_full(ctx, 4, (int64_t[]){ 2, 4, 5, 3 }, 1);
    tern_avg_pool2d(ctx, x, (tern_avg_pool2d_opts){ .window = { 5, 2 } });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "window 5,2 is larger than x [2,4,5,3]");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    x = tern_full(ctx, 3, (int64_t[]){ 2, 4, 5 }, 1);
    tern_global_avg_pool(ctx, x);
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "global_avg_pool: x [2,4,5] must be (N,H,W,C)");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_size),
        cmocka_unit_test(the_first_of_equal_values_wins),
        cmocka_unit_test(nan_wins),
        cmocka_unit_test(padding_never_wins),
        cmocka_unit_test(padding_counts_as_zeros_unless_excluded),
        cmocka_unit_test(adaptive_windows_overlap_where_it_does_not_go_even),
        cmocka_unit_test(wrong_windows_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
