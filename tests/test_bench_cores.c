/* How far apart cores are: it is measured, and every report says when that disturbs its rows of
 * several threads. */
#include "tests/bench_report.h"
#include "tests/check.h"

#include "bench/measure/machine.h"
#include "bench/report/compare_write.h"
#include "bench/report/markdown.h"
#include "bench/report/table.h"
#include "bench/report/write.h"
#include "tests/temporary_folder.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

static void the_round_trip_of_two_cores_is_measured(void **state)
{
    (void)state;
    tern_error error = { 0 };
    if (bench_cores() < 2) {
        print_message("one core\n");
        skip();
    }
    tern_pool *pair = tern_pool_new(2, &error);
    assert_non_null(pair);
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    double start = bench_seconds(), seconds = bench_round_trip(pair);
    double taken = bench_seconds() - start;
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    tern_pool_free(pair);
    assert_true(CPU_EQUAL(&before, &after));
    /* Neither so near as one core with itself, nor so far as a thread that has to be woken. */
    if (!(seconds > 2e-9 && seconds < 2e-6))
        fail_msg("%g s", seconds);
    assert_true(taken < 1); /* of a busy machine; 1 to 10 ms of one that is not */
}

static void the_least_and_the_most_of_a_run_are_kept(void **state)
{
    (void)state;
    bench_core_to_core seen = { 0 };
    char text[BENCH_CORE_TO_CORE_BYTES];
    assert_string_equal(bench_core_to_core_text(&seen, text), "not known");
    assert_false(bench_cores_are_far(&seen));
    bench_core_to_core_add(&seen, 55e-9);
    bench_core_to_core_add(&seen, 0);
    assert_string_equal(bench_core_to_core_text(&seen, text), "55 ns");
    bench_core_to_core_add(&seen, 104e-9);
    assert_false(bench_cores_are_far(&seen));
    bench_core_to_core_add(&seen, 170e-9); /* more than three times the least */
    assert_true(bench_cores_are_far(&seen));
    assert_string_equal(bench_core_to_core_text(&seen, text), "55 ns (up to 170)");
    assert_true(bench_cores_are_far(&(bench_core_to_core){ 401e-9, 402e-9 }));
}

static void a_peak_that_falls_is_seen(void **state)
{
    (void)state;
    assert_true(bench_peak_fell(2, 490, 250));
    assert_false(bench_peak_fell(2, 490, 400));
    assert_true(bench_peak_fell(1, 245, 210));
    assert_false(bench_peak_fell(1, 245, 230));
    assert_false(bench_peak_fell(2, 490, 0)); /* not told */
}

/* ------------------------------------------------------------ reports of it -- */

static bench_result result = { .pass = BENCH_FORWARD, .device = "cpu", .provider = "hand",
                               .simd = "avx2", .threads = 2, .skipped = true, .why = "made up" };
static const tern_op made_up = { .name = "made_up" };
static bench_case one = { .op = &made_up, .inputs = "x=[1]", .options = "", .axes = "" };
static const bench_settings settings = { .seed = 1 };

/* The whole of a file's text, for the caller to free. */
static char *written(const bench_suite *suite, const char *name)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    assert_true(temporary_file(path, test_folder, name, "", 0));
    if (!bench_report_write(suite, &(bench_about){ .command = "tern bench" }, path, &error))
        fail_msg("%s", error.message);
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    assert_true(file && text && fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

static char *printed(const bench_suite *suite)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    bench_print_table(to, suite);
    fclose(to);
    return text;
}

static void assert_says(char *text, const char *part, bool wanted)
{
    if (!strstr(text, part) == wanted)
        fail_msg("%s \"%s\": %s", wanted ? "wanted" : "not wanted", part, text);
}

static void reports_warn_of_cores_far_apart(void **state)
{
    (void)state;
    result.of = &one;
    bench_suite suite = { .settings = &settings, .results = &result, .count = 1 };
    static const struct {
        bench_core_to_core seen;
        int threads;
        bool far;
        const char *text;
    } cases[] = {
        { { 55e-9, 402e-9 }, 2, true, "55 ns (up to 402)" },
        { { 55e-9, 402e-9 }, 1, false, "55 ns (up to 402)" }, /* one thread does not care */
        { { 55e-9, 56e-9 }, 2, false, "55 ns" },
        { { 0, 0 }, 2, false, "not known" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suite.ceilings.core_to_core = cases[i].seen;
        result.threads = cases[i].threads;
        char *table = printed(&suite), *markdown = written(&suite, "report.md");
        assert_says(table, cases[i].text, true);
        assert_says(table, "WARNING: the machine disturbed rows of several", cases[i].far);
        assert_says(markdown, cases[i].text, true);
        assert_says(markdown, "**Warning**: the machine disturbed rows", cases[i].far);
        free(table);
        free(markdown);
    }
}

static void reports_warn_of_a_peak_that_fell(void **state)
{
    (void)state;
    result.of = &one;
    bench_suite suite = { .settings = &settings, .results = &result, .count = 1 };
    bench_ceiling *ceiling = &suite.ceilings.ceiling[suite.ceilings.count++];
    *ceiling = (bench_ceiling){ .kind = BENCH_CEILING_FMA, .threads = 2, .simd = "avx2",
                                .per_second = 490e9, .worst = 250e9 };
    for (int shared = 1; shared >= 0; shared--) {
        tern_error error = { 0 };
        char *shown = NULL;
        size_t size;
        result.threads = 2;
        char *table = printed(&suite), *markdown = written(&suite, "report.md");
        assert_says(table, "as when two share a core", shared);
        assert_says(table, "490.0 GFLOP/s, at times 250.0", shared);
        assert_says(markdown, "as when two share a core", shared);
        char *json = written(&suite, "report.json");
        bench_recorded *report = bench_recorded_parse("report.json", json, strlen(json), &error);
        FILE *to = open_memstream(&shown, &size);
        assert_true(report && to);
        bench_markdown_host(report, to);
        fclose(to);
        assert_says(shown, "2 threads had 250 of 490 GFLOP/s (avx2), as when two share", shared);
        bench_recorded_free(report);
        free(json);
        free(shown);
        free(table);
        free(markdown);
        ceiling->worst = 480e9;
    }
    /* Of one thread, whatever the rows' threads. */
    ceiling->threads = result.threads = 1;
    for (int fell = 1; fell >= 0; fell--) {
        ceiling->worst = fell ? 400e9 : 450e9;
        char *table = printed(&suite);
        assert_says(table, "less than nine tenths of its FMA peak", fell);
        free(table);
    }
}

static void a_report_read_back_says_the_same(void **state)
{
    (void)state;
    bench_suite suite = { .settings = &settings, .results = &result, .count = 1,
                          .ceilings.core_to_core = { 55e-9, 402e-9 } };
    tern_error error = { 0 };
    result.of = &one;
    char *text = written(&suite, "report.json");
    bench_recorded *report = bench_recorded_parse("report.json", text, strlen(text), &error);
    if (!report)
        fail_msg("%s", error.message);
    assert_true(report->host.core_to_core.least > 54.9e-9);
    assert_true(report->host.core_to_core.most < 402.1e-9);
    bench_recorded_free(report);
    free(text);
    suite.ceilings.core_to_core = (bench_core_to_core){ 0 };
    text = written(&suite, "report.json");
    assert_says(text, "\"core_to_core\": null", true);
    free(text);
}

static bench_recorded *report_of(double least, double most)
{
    json_t *made = bench_report_make(2, 20, NULL, 1);
    if (most > 0)
        json_object_set_new(json_object_get(made, "host"), "core_to_core",
                            json_pack("{s:f, s:f}", "least", least, "most", most));
    return bench_report_read(made);
}

/* What the comparison prints of the two. */
static void assert_compared(bench_recorded *a, bench_recorded *b, bool told)
{
    bench_comparison c;
    tern_error error = { 0 };
    char *text = NULL;
    size_t size;
    assert_true(bench_compare(a, b, (bench_compare_opts){ .threshold = 0.03 }, &c, &error));
    FILE *to = open_memstream(&text, &size);
    bench_comparison_print(&c, to);
    fclose(to);
    assert_says(text, "not alike: core to core and back: 55 ns in A, 58 ns (up to 402) in B", told);
    free(text);
    bench_comparison_free(&c);
    bench_recorded_free(a);
    bench_recorded_free(b);
}

static void comparisons_tell_reports_of_near_and_far_cores_apart(void **state)
{
    (void)state;
    assert_compared(report_of(55e-9, 56e-9), report_of(58e-9, 402e-9), true);
    assert_compared(report_of(55e-9, 56e-9), report_of(58e-9, 109e-9), false);
    assert_compared(report_of(55e-9, 56e-9), report_of(0, 0), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_round_trip_of_two_cores_is_measured),
        cmocka_unit_test(the_least_and_the_most_of_a_run_are_kept),
        cmocka_unit_test(a_peak_that_falls_is_seen),
        cmocka_unit_test(reports_warn_of_cores_far_apart),
        cmocka_unit_test(reports_warn_of_a_peak_that_fell),
        cmocka_unit_test(a_report_read_back_says_the_same),
        cmocka_unit_test(comparisons_tell_reports_of_near_and_far_cores_apart),
    };
    return cmocka_run_group_tests_name("bench cores", tests, test_folder_make,
                                       test_folder_remove);
}
