/* Promises of matmul: the cpu backend agrees with the plain float64 loops at every SIMD
 * level, shape and transposition, also through OpenBLAS, and wrong shapes are named. */
#include "tests/check.h"

#include <string.h>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/openblas.h"
#include "tests/against_ref.h"

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

static void cpu_follows_ref_at_every_level_and_layout(void **state)
{
    char inputs[100], options[100];
    (void)state;
    for (int i = 0; i < PROBLEMS; i++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            write_problem(&problems[i], layout, inputs, options, sizeof inputs);
            assert_sums_follow_ref("matmul", NULL, inputs, options);
        }
}

static void openblas_follows_ref(void **state)
{
    char inputs[100], options[100];
    (void)state;
    if (!tern_openblas_sgemm(NULL))
        skip();
    assert_non_null(tern_openblas_corename());
    for (int i = 0; i < PROBLEMS; i++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            write_problem(&problems[i], layout, inputs, options, sizeof inputs);
            assert_sums_follow_ref("matmul", "openblas", inputs, options);
        }
}

static void fails(int a_rank, const int64_t *a_shape, int b_rank, const int64_t *b_shape,
                  tern_matmul_opts opts, const char *message)
{
    tern_ctx *ctx = open_recording("meta");
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
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_layout),
        cmocka_unit_test(openblas_follows_ref),
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
