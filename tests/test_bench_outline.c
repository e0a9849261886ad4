/* Promises of `tern bench --dry-run`: what it counts is what a run counts, rows that would be
 * skipped have their reason, and what was asked for by name and is not there is told. */
#include "tests/check.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

#include "bench/suite/outline.h"
#include "kernels/table.h"

#include <stdlib.h>
#include <string.h>

static const bench_settings quick = {
    .threads = { 1 }, .thread_counts = 1, .passes = { true, true, true }, .hot = true, .seed = 1,
    .rule = { .least = 2, .most = 2, .goal = 0.01, .seconds = 1 },
};

static bench_cases cases_of(const char *name, const char *inputs, const char *options)
{
    bench_cases cases = { 0 };
    tern_error error = { 0 };
    const tern_op *op = tern_op_find(name, &error);
    if (!op || !bench_cases_add(&cases, op, inputs, options, NULL, &error))
        fail_msg("%s", error.message);
    return cases;
}

static bench_suite outline_of(const bench_settings *settings, const bench_cases *cases)
{
    bench_suite suite;
    tern_error error = { 0 };
    if (!bench_suite_outline(&suite, settings, cases, &error))
        fail_msg("%s", error.message);
    return suite;
}

static const struct { const char *op, *inputs, *options; } problems[] = {
    { "matmul", "a=[6,4] b=[4,10]", "" },
    { "softmax", "x=[8,12] mask=[8,12]", "" },
    { "conv2d", "x=[2,8,8,3] weight=[4,3,3,3]", "pad=1,1" },
    { "gelu", "x=[7,5]", "" },
    { "argmax", "x=[7,5]", "" }, /* no gradient */
};

static void rows_and_counts_are_those_of_a_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        tern_error error = { 0 };
        bench_cases cases = cases_of(problems[i].op, problems[i].inputs, problems[i].options);
        bench_suite outline = outline_of(&quick, &cases), ran;
        assert_true(bench_suite_run(&ran, &quick, &cases, &error));
        assert_int_equal(outline.count, ran.count);
        for (int j = 0; j < ran.count; j++) {
            const bench_result *a = &outline.results[j], *b = &ran.results[j];
            if (a->skipped || b->skipped)
                fail_msg("%s: %s %s", problems[i].op, a->why, b->why);
            assert_string_equal(a->provider, b->provider);
            assert_int_equal(a->pass, b->pass);
            assert_true(a->flops == b->flops && a->bytes == b->bytes && a->memory > 0);
            assert_null(a->samples);
        }
        bench_suite_free(&outline);
        bench_suite_free(&ran);
        bench_cases_free(&cases);
    }
}

static void memory_counts_outputs_too(void **state)
{
    (void)state;
    /* Two small inputs, an output of 4 TiB. */
    bench_cases cases = cases_of("matmul", "a=[1048576,1] b=[1,1048576]", "");
    bench_suite suite = outline_of(&quick, &cases);
    assert_true(suite.count > 0);
    for (int i = 0; i < suite.count; i++)
        if (!suite.results[i].skipped || !strstr(suite.results[i].why, "does not fit in memory"))
            fail_msg("%s", suite.results[i].why);
    assert_true(suite.results[0].memory > 0x1p42);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void what_cannot_be_checked_or_makes_no_sense_is_told(void **state)
{
    (void)state;
    bench_cases cases = cases_of("softmax", "x=[4096,262144]", "");
    bench_suite suite = outline_of(&quick, &cases);
    assert_true(suite.results[0].skipped);
    /* The second on a machine of less memory. */
    assert_true(strstr(suite.results[0].why, "too large to be checked") ||
                strstr(suite.results[0].why, "does not fit in memory"));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
    cases = cases_of("matmul", "a=[3,4] b=[5,6]", "");
    suite = outline_of(&quick, &cases);
    assert_non_null(strstr(suite.results[0].why, "differ in K"));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void the_time_that_is_told_follows_the_rule_and_the_budget(void **state)
{
    (void)state;
    bench_settings settings = quick;
    bench_cases cases = cases_of("softmax", "x=[8,12]", "");
    settings.rule.seconds = 7;
    bench_suite suite = outline_of(&settings, &cases);
    double seconds = bench_suite_longest(&suite);
    assert_true(seconds > 3 * 7 && seconds < 3 * 8); /* three passes */
    settings.budget = 10;
    assert_true(bench_suite_longest(&suite) == 10);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

/* --------------------------------------------------------------- commands -- */

static void the_command_prints_rows_and_times_nothing(void **state)
{
    (void)state;
    program p;
    program_run(&p, LIST("bench", "softmax", "--inputs", "x=[8,12]", "--pass", "fwd,bwd",
                         "--threads", "1,2", "--dry-run"));
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "softmax x=[8,12]"));
    assert_non_null(strstr(p.out, "\n8 rows, of which 0 would be skipped; at most about "));
    assert_null(strstr(p.out, "ceiling"));
    program_free(&p);
}

static void names_that_are_not_there_are_told(void **state)
{
    (void)state;
    assert_fails(LIST("bench", "matmul", "--provider", "hand,openblass"),
                 "no provider openblass on cpu, did you mean openblas?", "hand");
    assert_fails(LIST("bench", "softmax", "--provider", "openblas"),
                 "no provider openblas on cpu", "providers here: hand");
    assert_fails(LIST("bench", "matmul", "--provider", "cublas"),
                 "no provider cublas on cpu", "comes with device cuda", "make cuda");
    assert_fails(LIST("bench", "conv2d", "--provider", "cudnn", "--dry-run"),
                 "no provider cudnn on cpu", "comes with device cuda");
    assert_fails(LIST("bench", "matmul", "--dtype", "fp32"), "cpu computes in f32 alone",
                 "did you mean f32?");
    assert_fails(LIST("bench", "matmul", "--dtype", "bf16"), "f32 alone, not in bf16");
    assert_fails(LIST("bench", "matmul", "--device", "ref", "--dtype", "f32"),
                 "ref computes in f64 alone");
}

/* Rows of one op in a model's step may differ in nothing else. */
static void rows_tell_of_which_inputs_the_gradients_are(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], text[8192] = "";
    program p;
    temporary_path(path, test_folder, "add.json");
    program_run(&p, LIST("bench", "add", "--inputs", "a=[8,4] b=[8,4]", "--pass", "bwd",
                         "--gradients", "a", "--least", "2", "--most", "2", "--out", path));
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "add a=[8,4] b=[8,4]   for a\n"));
    program_free(&p);
    FILE *file = fopen(path, "r");
    assert_true(file && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "\"gradients\": \"a\""));
    assert_non_null(strstr(text, "--pass bwd --provider hand --threads 1 --cache hot --simd"));
    assert_non_null(strstr(text, "--gradients 'a'\""));
    program_run(&p, LIST("bench", "softmax", "--pass", "bwd", "--gradients", "x,mask"));
    assert_int_equal(p.status, 2);
    assert_non_null(strstr(p.err, "softmax has no differentiable input mask"));
    program_free(&p);
}

/* A file of that name which is none: what the system's loader finds first. */
static void a_library_that_is_missing_is_named_with_its_package(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    assert_true(temporary_file(path, test_folder, "libopenblas.so.0", "", 0));
    program p;
    setenv("LD_LIBRARY_PATH", test_folder, 1);
    program_run(&p, LIST("bench", "matmul", "--inputs", "a=[8,8] b=[8,8]", "--dry-run"));
    unsetenv("LD_LIBRARY_PATH");
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "OpenBLAS cannot be loaded"));
    assert_non_null(strstr(p.out, "install libopenblas0-pthread"));
    assert_non_null(strstr(p.out, "4 rows, of which 2 would be skipped"));
    program_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_counts_are_those_of_a_run),
        cmocka_unit_test(memory_counts_outputs_too),
        cmocka_unit_test(what_cannot_be_checked_or_makes_no_sense_is_told),
        cmocka_unit_test(the_time_that_is_told_follows_the_rule_and_the_budget),
        cmocka_unit_test(the_command_prints_rows_and_times_nothing),
        cmocka_unit_test(names_that_are_not_there_are_told),
        cmocka_unit_test(rows_tell_of_which_inputs_the_gradients_are),
        cmocka_unit_test(a_library_that_is_missing_is_named_with_its_package),
    };
    return cmocka_run_group_tests_name("bench outline", tests, test_folder_make,
                                       test_folder_remove);
}
