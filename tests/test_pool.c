/* Promises of the pooling ops: PyTorch's choice of the winner, agreement of the cpu
 * backend with the plain loops at every SIMD level, bits that do not depend on the
 * number of threads. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/pool/pool.h"
#include "kernels/table.h"
#include "tests/op_run.h"

typedef struct problem {
    const char *op, *inputs, *options;
} problem;

static const problem problems[] = {
    { "max_pool2d", "x=[2,4,6,3]", "window=2,2" },
    { "max_pool2d", "x=[3,31,29,17]", "window=3,3 stride=2,2 pad=1,1" },
    { "max_pool2d", "x=[2,9,8,33]", "window=2,3 stride=5,1 pad=1,1" },
    { "max_pool2d", "x=[5,7,6,1]", "window=0,2" },
    { "max_pool2d", "x=[37,1,1,5]", "" },
    { "max_pool2d", "x=[0,4,4,2]", "window=2,2" },
    { "avg_pool2d", "x=[2,4,6,3]", "window=2,2" },
    { "avg_pool2d", "x=[3,31,29,17]", "window=3,3 stride=2,2" },
    { "avg_pool2d", "x=[2,76,20,131]", "window=1,0" },
    { "avg_pool2d", "x=[2,9,8,33]", "window=2,3 stride=5,1" },
    { "avg_pool2d", "x=[3,31,29,17]", "window=3,5 stride=2,1 pad=1,2" },
    { "avg_pool2d", "x=[3,31,29,17]", "window=3,5 stride=2,1 pad=1,2 exclude_pad=true" },
    { "avg_pool2d", "x=[0,4,4,2]", "window=2,2" },
    { "adaptive_avg_pool2d", "x=[3,31,29,67]", "size=7,5" },
    { "adaptive_avg_pool2d", "x=[2,3,5,17]", "size=8,31" },
    { "adaptive_max_pool2d", "x=[3,31,29,67]", "size=7,5" },
    { "adaptive_max_pool2d", "x=[2,3,5,17]", "size=8,31" },
    { "global_avg_pool", "x=[3,31,29,67]", "" },
    { "global_avg_pool", "x=[1,1,1,1]", "" },
    { "global_avg_pool", "x=[0,4,4,2]", "" },
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static void check_against_ref(const problem *p, op_run_how how)
{
    char what[160];
    snprintf(what, sizeof what, "%s %s %s %s", p->op, p->inputs, p->options, how.simd);
    op_result want = op_run(p->op, p->inputs, p->options, (op_run_how){ .uses = how.uses });
    op_result got = op_run(p->op, p->inputs, p->options, how);
    assert_values_near(what, &got.out[0], &want.out[0], NULL, 8 * FLT_EPSILON);
    assert_values_near(what, &got.grad[0], &want.grad[0], NULL, 8 * FLT_EPSILON);
    op_result_free(&want);
    op_result_free(&got);
}

static void every_simd_level_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    (void)state;
    for (int level = 0; level < count; level++)
        for (int i = 0; i < PROBLEMS; i++)
            check_against_ref(&problems[i],
                              (op_run_how){ .device = "cpu", .simd = levels[level] });
}

static void gradients_accumulate_over_uses(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        check_against_ref(&problems[i], (op_run_how){ .device = "cpu", .uses = 3 });
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        const problem *p = &problems[i];
        op_result one = op_run(p->op, p->inputs, p->options, (op_run_how){ .device = "cpu" });
        op_result many = op_run(p->op, p->inputs, p->options,
                                (op_run_how){ .device = "cpu", .threads = 3 });
        if (!op_results_equal(&one, &many))
            fail_msg("3 threads give other bits: %s %s %s", p->op, p->inputs, p->options);
        op_result_free(&one);
        op_result_free(&many);
    }
}

/* One row of five pixels with two equal channels, in windows of three pixels that
 * overlap by one: y [1,1,2,2] and, for output gradients 1 and 10, x's gradient. */
static void pool_row(const char *device, const float *row, double *y, double *grad)
{
    tern_error error = { 0 };
    float x[10];
    const double seed[4] = { 1, 1, 10, 10 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    for (int i = 0; i < 10; i++)
        x[i] = row[i / 2];
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
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
    const char *const devices[] = { "ref", "cpu" };
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
    const char *const devices[] = { "ref", "cpu" };
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
    op_result result = op_run("max_pool2d", "x=[2,5,5,19]{-9..-1}", "window=3,3 pad=1,1",
                              (op_run_how){ .device = "cpu" });
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
        for (int cpu = 0; cpu < 2; cpu++) {
            op_result result = op_run("avg_pool2d", "x=[1,4,4,5]{1..1}", options[exclude],
                                      (op_run_how){ .device = cpu ? "cpu" : "ref" });
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
    op_result mean = op_run("adaptive_avg_pool2d", "x=[1,1,5,1]", "size=1,3",
                            (op_run_how){ .device = "cpu" });
    op_result largest = op_run("adaptive_max_pool2d", "x=[1,1,5,1]", "size=1,3",
                               (op_run_how){ .device = "cpu" });
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
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    (void)state;
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
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
        cmocka_unit_test(every_simd_level_agrees_with_ref),
        cmocka_unit_test(gradients_accumulate_over_uses),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(the_first_of_equal_values_wins),
        cmocka_unit_test(nan_wins),
        cmocka_unit_test(padding_never_wins),
        cmocka_unit_test(padding_counts_as_zeros_unless_excluded),
        cmocka_unit_test(adaptive_windows_overlap_where_it_does_not_go_even),
        cmocka_unit_test(wrong_windows_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
