/* Promises of the reductions beyond what the tests of all ops see: NaN and nothing,
 * ties, sums in blocks and strips of every width, and axes that make no sense. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/reduce/argmax.h"
#include "kernels/reduce/reduce.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

static tern_tensor *leaf(tern_ctx *ctx, int64_t rows, int64_t columns, const double *x)
{
    return tern_require_grad(
        ctx, tern_input(ctx, "x", TERN_F64, 2, (int64_t[]){ rows, columns }, x));
}

static const tern_reduce_opts rows = { .axes = { 1 }, .axis_count = 1 };

static void equal_maxima_share_the_gradient(void **state)
{
    (void)state;
    const double x[] = { 4, 4, 1, -7, -9, -7 }, seed[] = { 1, 10 };
    const double wanted[] = { 0.5, 0.5, 0, 5, 0, 5 };
    for (int d = 0; d < 2; d++) {
        double y[2], grad[6];
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *in = leaf(ctx, 2, 3, x), *out = tern_max(ctx, in, rows);
        tern_seed_grad(ctx, out, TERN_F64, seed);
        tern_backward(ctx, NULL);
        tern_read(ctx, out, TERN_F64, y);
        tern_read(ctx, in->grad, TERN_F64, grad);
        assert_tern_ok(ctx);
        assert_true(y[0] == 4 && y[1] == -7);
        for (int i = 0; i < 6; i++)
            assert_true(grad[i] == wanted[i]);
        tern_ctx_free(ctx);
    }
}

/* NaN in the second of 3 rows of 40, then in the second of 3 columns. */
static void nan_spoils_what_it_is_reduced_to_and_no_more(void **state)
{
    (void)state;
    tern_tensor *(*const ops[])(tern_ctx *, tern_tensor *, tern_reduce_opts) = { tern_sum,
                                                                                tern_mean,
                                                                                tern_max };
    for (int run = 0; run < 2 * 3 * 2; run++) {
        bool columns = run & 1;
        double x[120], y[3], grad[120];
        for (int i = 0; i < 120; i++)
            x[i] = sin(i);
        x[columns ? 37 * 3 + 1 : 40 + 37] = NAN;
        tern_ctx *ctx = open_recording(devices[run / 2 % 2]);
        tern_tensor *in = leaf(ctx, columns ? 40 : 3, columns ? 3 : 40, x);
        tern_tensor *out = ops[run / 4](
            ctx, in, (tern_reduce_opts){ .axes = { columns ? 0 : -1 }, .axis_count = 1 });
        tern_seed_grad(ctx, out, TERN_F64, (double[]){ 1, 1, 1 });
        tern_backward(ctx, NULL);
        tern_read(ctx, out, TERN_F64, y);
        tern_read(ctx, in->grad, TERN_F64, grad);
        assert_tern_ok(ctx);
        assert_true(!isnan(y[0]) && isnan(y[1]) && !isnan(y[2]));
        for (int i = 0; i < 120; i++) { /* only max's gradient depends on x */
            bool spoilt = (columns ? i % 3 : i / 40) == 1 && run / 4 == 2;
            assert_int_equal(isnan(grad[i]) != 0, spoilt);
        }
        tern_ctx_free(ctx);
    }
}

static void nothing_sums_to_zero_and_has_no_mean(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double sum[3], mean[3], var[2];
        const double x[2] = { 5, 6 };
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *empty = leaf(ctx, 3, 0, x);
        tern_read(ctx, tern_sum(ctx, empty, rows), TERN_F64, sum);
        tern_read(ctx, tern_mean(ctx, empty, rows), TERN_F64, mean);
        tern_read(ctx, tern_var(ctx, leaf(ctx, 2, 1, x), (tern_var_opts){ .over = rows }),
                  TERN_F64, var);
        assert_tern_ok(ctx);
        for (int i = 0; i < 3; i++)
            assert_true(sum[i] == 0 && isnan(mean[i]));
        assert_true(isnan(var[0]) && isnan(var[1]));
        tern_ctx_free(ctx);
    }
}

static void a_great_mean_does_not_swallow_the_variance(void **state)
{
    (void)state;
    double x[2000], y[2];
    for (int i = 0; i < 2000; i++)
        x[i] = 4096 + (i % 2 ? 1 : -1) * (i < 1000 ? 1 : 0.25); /* exact in float32 */
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *in = leaf(ctx, 2, 1000, x);
    tern_var_opts biased = { .over = rows, .has_correction = true };
    tern_read(ctx, tern_var(ctx, in, biased), TERN_F64, y);
    assert_tern_ok(ctx);
    assert_float_equal(y[0], 1, 1e-6);
    assert_float_equal(y[1], 0.0625, 1e-7);
    tern_ctx_free(ctx);
}

/* Rows shorter than a vector, whole strips, rests; one block of terms and several. */
static void cpu_follows_ref_at_every_level_and_width(void **state)
{
    static const char *const problems[][2] = {
        { "x=[70001]", "" },           { "x=[3,40000]", "axes=1" },
        { "x=[40000,3]", "axes=0" },   { "x=[701,64]", "axes=0" },
        { "x=[9,5,300]", "axes=0,2" }, { "x=[2,2000,129]", "axes=1" },
        { "x=[31,1,16,2]", "axes=3" },
    };
    static const char *const ops[] = { "sum", "mean", "max", "var" };
    (void)state;
    for (int op = 0; op < 4; op++)
        for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
            assert_cpu_follows_ref(ops[op], problems[i][0], problems[i][1], 4e-6);
}

/* -------------------------------------------------------------- argmax -- */

/* Each row's winner is planted at `at`, on ref and on cpu, by rows and by columns. */
static void assert_place(const double *row, int64_t extent, int32_t at)
{
    enum { COPIES = 19, MOST = 70 };
    double x[COPIES * MOST];
    for (int run = 0; run < 4; run++) {
        bool columns = run & 1;
        int32_t place[COPIES];
        for (int64_t i = 0; i < extent; i++)
            for (int64_t c = 0; c < COPIES; c++)
                x[columns ? i * COPIES + c : c * extent + i] = row[i];
        tern_ctx *ctx = open_recording(devices[run / 2]);
        tern_tensor *in = leaf(ctx, columns ? extent : COPIES, columns ? COPIES : extent, x);
        tern_tensor *y = tern_argmax(ctx, in, (tern_argmax_opts){ .axis = columns ? 0 : 1 });
        tern_read(ctx, y, TERN_I32, place);
        assert_tern_ok(ctx);
        for (int c = 0; c < COPIES; c++)
            assert_int_equal(place[c], at);
        tern_ctx_free(ctx);
    }
}

static void argmax_finds_the_first_of_equals_and_the_first_nan(void **state)
{
    (void)state;
    static const int64_t extents[] = { 1, 5, 16, 33, 70 };
    for (int e = 0; e < 5; e++) {
        int64_t extent = extents[e], first = extent / 3, second = extent - 1;
        double row[70];
        for (int i = 0; i < 70; i++)
            row[i] = -INFINITY;
        assert_place(row, extent, 0);
        row[first] = row[second] = 2;
        assert_place(row, extent, (int32_t)first);
        row[first] = 3;
        row[second] = NAN;
        assert_place(row, extent, (int32_t)second);
        row[first] = NAN;
        assert_place(row, extent, (int32_t)first);
    }
}

/* ---------------------------------------------------------- bad options -- */

static void axes_that_make_no_sense_are_named(void **state)
{
    (void)state;
    const double x[6] = { 0 };
    static const struct {
        tern_reduce_opts opts;
        const char *message;
    } wrong[] = {
        { { .axes = { 2 }, .axis_count = 1 }, "max: x [2,3] has no axis 2" },
        { { .axes = { -3 }, .axis_count = 1 }, "max: x [2,3] has no axis -3" },
        { { .axes = { 1, -1 }, .axis_count = 2 }, "max: axis 1 of x [2,3] is named twice" },
        { { .axis_count = 7 }, "max: axis_count is 7, it must be 0 to 6" },
    };
    tern_ctx *ctx = open_recording("cpu");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tern_max(ctx, leaf(ctx, 2, 3, x), wrong[i].opts);
        assert_tern_fails(ctx, TERN_ERR_OPTION, wrong[i].message);
        tern_clear_error(ctx);
        tern_step_begin(ctx, 0);
    }
    tern_max(ctx, leaf(ctx, 3, 0, x), rows);
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "axis 1 of x [3,0] is empty, it has no maximum");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_argmax(ctx, leaf(ctx, 3, 0, x), (tern_argmax_opts){ .axis = -1 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "argmax: axis 1 of x [3,0] must have 1 to");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_maxima_share_the_gradient),
        cmocka_unit_test(nan_spoils_what_it_is_reduced_to_and_no_more),
        cmocka_unit_test(nothing_sums_to_zero_and_has_no_mean),
        cmocka_unit_test(a_great_mean_does_not_swallow_the_variance),
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_width),
        cmocka_unit_test(argmax_finds_the_first_of_equals_and_the_first_nan),
        cmocka_unit_test(axes_that_make_no_sense_are_named),
    };
    return cmocka_run_group_tests_name("reduce", tests, NULL, NULL);
}
