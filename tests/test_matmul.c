/* Promises of matmul: the cpu backend agrees with the plain float64 loops at every SIMD
 * level, shape and transposition, accumulates where asked, its bits do not depend on the
 * number of threads, and wrong shapes are named. */
#include "tests/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/openblas.h"
#include "kernels/table.h"
#include "tests/op_run.h"

/* a [.., M, K], b [.., K, N]; prefixes of either may be empty. */
typedef struct problem {
    const char *a_axes, *b_axes; /* leading axes, with a comma at the end */
    int m, n, k;
} problem;

static const problem problems[] = {
    { "", "", 5, 3, 7 },       { "", "", 1, 1, 1 },      { "", "", 1, 131, 31 },
    { "", "", 131, 1, 31 },    { "", "", 61, 67, 71 },   { "", "", 128, 96, 64 },
    { "", "", 8, 16, 1200 },   { "3,", "3,", 17, 5, 31 }, { "2,3,", "2,3,", 32, 32, 16 },
    { "3,", "", 13, 19, 11 },  { "", "4,", 13, 19, 11 }, { "2,3,", "", 40, 7, 48 },
    { "3,", "3,", 0, 5, 4 },   { "3,", "", 4, 2, 0 },    { "0,", "", 3, 2, 4 },
    { "", "0,", 3, 2, 4 },     { "0,", "0,", 3, 2, 4 },
};
enum { PROBLEMS = sizeof problems / sizeof problems[0], LAYOUTS = 4 };

static void write_problem(const problem *p, int layout, char *inputs, char *options, size_t size)
{
    bool ta = layout & 1, tb = layout & 2;
    snprintf(inputs, size, "a=[%s%d,%d] b=[%s%d,%d]", p->a_axes, ta ? p->k : p->m,
             ta ? p->m : p->k, p->b_axes, tb ? p->n : p->k, tb ? p->k : p->n);
    snprintf(options, size, "transpose_a=%s transpose_b=%s", ta ? "true" : "false",
             tb ? "true" : "false");
}

/* 8 eps sqrt(terms) times the sum of |terms|, which the plain loops compute from absolute
 * values. */
static void check_against_ref(const problem *p, int layout, op_run_how how)
{
    char inputs[100], options[100], what[300];
    write_problem(p, layout, inputs, options, sizeof inputs);
    op_result want = op_run("matmul", inputs, options, (op_run_how){ .uses = how.uses });
    op_result terms = op_run("matmul", inputs, options, (op_run_how){ .absolute = true });
    op_result got = op_run("matmul", inputs, options, how);
    double unit = 8 * 0.5 * FLT_EPSILON * (how.uses ? how.uses : 1);
    double most_batch = 6;

    snprintf(what, sizeof what, "y, %s %s %s", inputs, options, how.simd ? how.simd : "");
    assert_values_near(what, &got.out[0], &want.out[0], &terms.out[0], unit * sqrt(p->k + 1));
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "gradient %d, %s %s %s", i, inputs, options,
                 how.simd ? how.simd : "");
        assert_values_near(what, &got.grad[i], &want.grad[i], &terms.grad[i],
                           unit * sqrt(most_batch * (i == 0 ? p->n : p->m) + 1));
    }
    op_result_free(&want);
    op_result_free(&terms);
    op_result_free(&got);
}

static void every_simd_level_and_layout_agrees_with_ref(void **state)
{
    const char *levels[4];
    int count = tern_simd_levels(levels);
    (void)state;
    for (int level = 0; level < count; level++)
        for (int i = 0; i < PROBLEMS; i++)
            for (int layout = 0; layout < LAYOUTS; layout++)
                check_against_ref(&problems[i], layout,
                                  (op_run_how){ .device = "cpu", .simd = levels[level] });
}

static void gradients_accumulate_over_uses(void **state)
{
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            check_against_ref(&problems[i], layout, (op_run_how){ .device = "cpu", .uses = 3 });
}

static void openblas_agrees_with_ref(void **state)
{
    op_run_how how = { .device = "cpu", .provider = "openblas", .threads = 2, .uses = 2 };
    (void)state;
    if (!tern_openblas_sgemm(NULL))
        skip();
    assert_non_null(tern_openblas_corename());
    for (int i = 0; i < PROBLEMS; i++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            check_against_ref(&problems[i], layout, how);
}

static void bits_do_not_depend_on_threads(void **state)
{
    char inputs[100], options[100];
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            write_problem(&problems[i], layout, inputs, options, sizeof inputs);
            op_result one = op_run("matmul", inputs, options,
                                   (op_run_how){ .device = "cpu", .threads = 1 });
            op_result three = op_run("matmul", inputs, options,
                                     (op_run_how){ .device = "cpu", .threads = 3 });
            if (!op_results_equal(&one, &three))
                fail_msg("3 threads give other bits than one: %s %s", inputs, options);
            op_result_free(&one);
            op_result_free(&three);
        }
}

static void fails(int a_rank, const int64_t *a_shape, int b_rank, const int64_t *b_shape,
                  tern_matmul_opts opts, const char *message)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
    tern_matmul(ctx, tern_full(ctx, a_rank, a_shape, 1), tern_full(ctx, b_rank, b_shape, 1), opts);
    assert_tern_fails(ctx, TERN_ERR_SHAPE, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    fails(2, (int64_t[]){ 5, 7 }, 2, (int64_t[]){ 6, 3 }, (tern_matmul_opts){ 0 },
          "matmul: a [5,7] (...,M,K) and b [6,3] (...,K,N) differ in K");
    fails(2, (int64_t[]){ 5, 7 }, 2, (int64_t[]){ 7, 3 }, (tern_matmul_opts){ .transpose_b = true },
          "b [7,3] (...,N,K) differ in K");
    fails(1, (int64_t[]){ 5 }, 2, (int64_t[]){ 5, 3 }, (tern_matmul_opts){ 0 },
          "must have two axes or more");
    fails(3, (int64_t[]){ 2, 4, 5 }, 3, (int64_t[]){ 3, 5, 6 }, (tern_matmul_opts){ 0 },
          "the leading axes of a [2,4,5] and b [3,5,6] must be equal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_simd_level_and_layout_agrees_with_ref),
        cmocka_unit_test(gradients_accumulate_over_uses),
        cmocka_unit_test(openblas_agrees_with_ref),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
