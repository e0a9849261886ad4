/* Promises of linear on the cpu backend: it agrees with the plain float64 loops at every
 * SIMD level and shape, accumulates where asked, and its bits do not depend on the number
 * of threads. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/matmul/openblas.h"
#include "kernels/table.h"
#include "tests/op_run.h"

/* Small batches take other paths through GEMM than large ones; sizes around the widths of
 * vectors and tiles; sums longer than a block along k.  Long sums are of small numbers:
 * the slope of gelu would magnify their rounding beyond that of the gradients. */
static const char *const problems[] = {
    "x=[5,7] weight=[3,7] bias=[3]",
    "x=[1,1] weight=[1,1]",
    "x=[1,300]{-0.1..0.1} weight=[31,300] bias=[31]",
    "x=[2,3,31] weight=[17,31] bias=[17]",
    "x=[16,128]{-0.1..0.1} weight=[96,128] bias=[96]",
    "x=[97,19] weight=[23,19] bias=[23]",
    "x=[3,67,64]{-0.1..0.1} weight=[128,64]",
    "x=[1201,13] weight=[11,13] bias=[11]",
    "x=[131]{-0.1..0.1} weight=[5,131] bias=[5]",
    "x=[0,6] weight=[5,6] bias=[5]",
    "x=[4,0] weight=[5,0] bias=[5]",
};
enum { PROBLEMS = sizeof problems / sizeof problems[0] };

static const char *const activations[] = { "none", "relu", "gelu", "sigmoid", "tanh" };
enum { ACTIVATIONS = sizeof activations / sizeof activations[0] };

static double weight_axis(const char *inputs, int axis)
{
    tern_error error = { 0 };
    tern_sample_input input;
    while ((inputs = tern_sample_next(inputs, &input, &error)))
        if (strcmp(input.name, "weight") == 0)
            return (double)input.shape[axis];
    return 0;
}

/* 8 eps sqrt(terms) times the sum of |terms|, which the plain loops compute from absolute
 * values; slopes of activations are at most 1.13. */
static void check_against_ref(const char *inputs, const char *activation, op_run_how how)
{
    char what[200], options[40];
    snprintf(options, sizeof options, "activation=%s", activation);
    op_result want = op_run("linear", inputs, options, (op_run_how){ .uses = how.uses });
    op_result terms = op_run("linear", inputs, "", (op_run_how){ .absolute = true });
    op_result got = op_run("linear", inputs, options, how);
    double outputs = weight_axis(inputs, 0), columns = weight_axis(inputs, 1);
    double rows = (double)want.out[0].count / outputs;
    double sums_of[] = { outputs, rows, rows }; /* terms in each gradient's sums */
    double unit = 8 * 0.5 * FLT_EPSILON * (how.uses ? how.uses : 1) * 1.13;

    snprintf(what, sizeof what, "y, %s %s %s", inputs, options, how.simd ? how.simd : "");
    assert_values_near(what, &got.out[0], &want.out[0], &terms.out[0],
                       unit * sqrt(columns + 1));
    for (int i = 0; i < 3; i++) {
        snprintf(what, sizeof what, "gradient %d, %s %s %s", i, inputs, options, how.simd ? how.simd : "");
        assert_values_near(what, &got.grad[i], &want.grad[i], &terms.grad[i],
                           unit * (sqrt(sums_of[i]) + 1));
    }
    op_result_free(&want);
    op_result_free(&terms);
    op_result_free(&got);
}

static void every_simd_level_and_activation_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    (void)state;
    for (int level = 0; level < count; level++)
        for (int i = 0; i < PROBLEMS; i++)
            for (int act = 0; act < ACTIVATIONS; act++)
                check_against_ref(problems[i], activations[act],
                                  (op_run_how){ .device = "cpu", .simd = levels[level] });
}

static void gradients_accumulate_over_uses(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        check_against_ref(problems[i], "gelu", (op_run_how){ .device = "cpu", .uses = 3 });
}

static void openblas_agrees_with_ref(void **state)
{
    op_run_how how = { .device = "cpu", .provider = "openblas", .threads = 2, .uses = 2 };
    (void)state;
    if (!tern_openblas_sgemm(NULL))
        skip();
    assert_non_null(tern_openblas_corename());
    for (int i = 0; i < PROBLEMS; i++)
        for (int act = 0; act < ACTIVATIONS; act++)
            check_against_ref(problems[i], activations[act], how);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++) {
        op_result one = op_run("linear", problems[i], "activation=gelu",
                               (op_run_how){ .device = "cpu", .threads = 1 });
        for (int threads = 2; threads <= 5; threads += 3) {
            op_result many = op_run("linear", problems[i], "activation=gelu",
                                    (op_run_how){ .device = "cpu", .threads = threads });
            if (!op_results_equal(&one, &many))
                fail_msg("%d threads give other bits: %s", threads, problems[i]);
            op_result_free(&many);
        }
        op_result_free(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_simd_level_and_activation_agrees_with_ref),
        cmocka_unit_test(gradients_accumulate_over_uses),
        cmocka_unit_test(openblas_agrees_with_ref),
        cmocka_unit_test(bits_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
