/* Promises of reading reports: what is wrong in a file is named with its place.  And of the
 * commands that read them: exit status, JSON, messages. */
#include "tests/bench_report.h"
#include "tests/check.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define tern(p, ...) program_run(p, (const char *const[]){ __VA_ARGS__, NULL })

/* ---------------------------------------------------------------- reading -- */

static void a_report_is_read_whole(void **state)
{
    (void)state;
    json_t *made = bench_report_make(2, 10, NULL, 1);
    json_object_set_new(bench_report_row(made, 1), "verdict", json_string("skipped: too large"));
    json_object_del(bench_report_row(made, 1), "samples");
    json_object_set_new(bench_report_row(made, 0), "ceilings",
                        json_pack("{s:f, s:f, s:s}", "fma", 0.5, "bandwidth", 0.1, "level", "L2"));
    json_object_set_new(bench_report_row(made, 0), "executed_flops", json_real(4096));
    double first = json_real_value(
        json_array_get(json_object_get(bench_report_row(made, 0), "samples"), 0));
    bench_recorded *report = bench_report_read(made);
    char name[BENCH_ROW_NAME_BYTES];
    assert_int_equal(report->row_count, 2);
    assert_int_equal(report->ceiling_count, 3);
    assert_int_equal(report->host.cores, 2);
    assert_string_equal(report->ceilings[2].level, "memory");
    assert_string_equal(report->git, "");
    assert_int_equal(report->rows[0].time.count, 10);
    assert_true(fabs(report->rows[0].samples[0] / first - 1) < 1e-8);
    assert_true(report->rows[0].of_fma == 0.5 && bench_row_counts(&report->rows[0]));
    assert_true(report->rows[0].flops == 8192 && report->rows[0].executed == 4096);
    assert_true(report->rows[1].executed == report->rows[1].flops);
    assert_false(bench_row_counts(&report->rows[1]));
    assert_string_equal(bench_row_name(&report->rows[0], name),
                        "matmul a=[16,16] b=[16,16] fwd hand f32 avx2 1 thread hot");
    bench_recorded_free(report);
}

/* Put other text where `from` is first. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(text) + strlen(to) + 1;
    char *result = malloc(size);
    assert_non_null(result);
    snprintf(result, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return result;
}

static const struct { const char *from, *to, *says; } lies[] = {
    { "tern bench 1", "tern bench 2",
      "bad.json: its format is \"tern bench 2\"; this program reads \"tern bench 1\"" },
    { "tern bench 1", "tern bench compare 1", "this program reads" },
    { "tern bench 1", "other", "bad.json: not a report of `tern bench --out`" },
    { "\"format\"", "\"farmat\"", "its \"format\" is nothing" },
    { "{\"format\"", "[{\"format\"", "bad.json: line 1, column " },
    { "\"host\"", "\"guest\"", "bad.json: host: an object wanted, not nothing" },
    { "\"cores\": 2", "\"cores\": \"2\"",
      "bad.json: host.cores: a whole number wanted, not a text" },
    { "\"cores\": 2", "\"cores\": 2, \"core_to_core\": 5",
      "bad.json: host.core_to_core: an object wanted, not a number" },
    { "\"cores\": 2", "\"cores\": 2, \"core_to_core\": {\"least\": 2e-7, \"most\": 1e-7}",
      "bad.json: host.core_to_core: the least is 2e-07, but the most 1e-07" },
    { "\"kind\": \"fma\"", "\"kind\": 7",
      "bad.json: ceilings[0].kind: a text wanted, not a number" },
    { "\"per_second\": 120000000000.0", "\"per_second\": 0",
      "bad.json: ceilings[0].per_second: a rate above 0 wanted" },
    { "\"rows\": [{", "\"rows\": [5, {", "bad.json: rows[0]: an object wanted, not a number" },
    { "\"rows\"", "\"raws\"", "bad.json: rows: an array wanted, not nothing" },
    { "\"op\": \"matmul\"", "\"op\": null", "bad.json: rows[0].op: a text wanted, not null" },
    { "\"threads\": 1, \"simd\"", "\"threads\": 0, \"simd\"",
      "bad.json: rows[0].threads: a number from 1 to 1048576 wanted, not 0" },
    { "\"threads\": 1, \"simd\"", "\"threads\": 1.5, \"simd\"",
      "rows[0].threads: a whole number wanted" },
    { "\"tags\": {}", "\"tags\": []", "bad.json: rows[0].tags: an object wanted, not an array" },
    { "\"flops\": ", "\"flops\": -",
      "bad.json: rows[0].flops: 0 or a number from 1 to 1e+24 wanted, not -" },
    { "\"samples\": [", "\"samples\": [-1.5, ",
      "bad.json: rows[0].samples[0]: a time from 1e-12 to 1e+09 seconds wanted, not -1.5" },
    { "\"samples\": [", "\"samples\": [5e-324, ", "rows[0].samples[0]: a time from 1e-12" },
    { "\"bytes\": 3072.0", "\"bytes\": 1e-300",
      "bad.json: rows[0].bytes: 0 or a number from 1 to 1e+24 wanted, not 1e-300" },
    { "\"samples\": [", "\"samples\": [1.0, \"2\", ",
      "bad.json: rows[0].samples[1]: a number wanted, not a text" },
    { "\"samples\": [", "\"n\": 9, \"samples\": [", "bad.json: rows[0].n: is 9, but there are 4" },
    { "\"samples\": [", "\"median\": 9.5, \"samples\": [",
      "bad.json: rows[0].median: is 9.5, but that of the samples is " },
    { "\"verdict\": \"ok\"", "\"verdict\": true", "rows[0].verdict: a text wanted, not true" },
    { "\"op\": \"matmul\"", "\"op\": \"a\", \"op\": \"b\"", "duplicate object key" },
};

static void lies_are_told_with_their_place(void **state)
{
    (void)state;
    json_t *made = bench_report_make(1, 4, NULL, 1);
    char *text = json_dumps(made, 0);
    json_decref(made);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        tern_error error = { 0 };
        char *lie = replaced(text, lies[i].from, lies[i].to);
        bench_recorded *report = bench_recorded_parse("bad.json", lie, strlen(lie), &error);
        if (report || error.code != TERN_ERR_FORMAT || !strstr(error.message, lies[i].says))
            fail_msg("%s: %s", lies[i].says, report ? "taken" : error.message);
        free(lie);
    }
    free(text);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    json_t *made = bench_report_make(1, 3, NULL, 1);
    char *text = json_dumps(made, 0);
    json_decref(made);
    for (size_t size = 0; size < strlen(text); size++) {
        tern_error error = { 0 };
        assert_null(bench_recorded_parse("cut.json", text, size, &error));
        assert_int_equal(error.code, TERN_ERR_FORMAT);
    }
    free(text);
}

/* --------------------------------------------------------------- commands -- */

static char before[TEMPORARY_PATH_BYTES], after[TEMPORARY_PATH_BYTES];
static char picture[TEMPORARY_PATH_BYTES];

static void save(json_t *report, char path[TEMPORARY_PATH_BYTES], const char *name)
{
    char *text = json_dumps(report, JSON_REAL_PRECISION(9));
    assert_true(temporary_file(path, test_folder, name, text, strlen(text)));
    free(text);
    json_decref(report);
}

static void save_both(const double *factors)
{
    save(bench_report_make(6, 40, NULL, 1), before, "before.json");
    save(bench_report_make(6, 40, factors, 2), after, "after.json");
}

static void exit_status_tells_whether_something_is_slower(void **state)
{
    (void)state;
    const double slower[] = { 1, 1, 1.2, 1, 1, 1 }, faster[] = { 1, 1, 0.8, 1, 1, 1 };
    program p;
    save_both(slower);
    tern(&p, "bench", "compare", before, after);
    assert_int_equal(p.status, 1);
    assert_non_null(strstr(p.out, "\nslower "));
    assert_non_null(strstr(p.out, "\n1 slower, 0 faster, "));
    program_free(&p);
    tern(&p, "bench", "compare", before, after, "--threshold", "40");
    assert_int_equal(p.status, 0);
    program_free(&p);
    save_both(faster);
    tern(&p, "bench", "compare", before, after);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "\n0 slower, 1 faster, "));
    assert_string_equal(p.err, "");
    program_free(&p);
}

static void values_that_became_wrong_are_a_failure(void **state)
{
    (void)state;
    json_t *wrong = bench_report_make(6, 40, NULL, 2);
    json_object_set_new(bench_report_row(wrong, 3), "verdict", json_string("WRONG VALUES"));
    program p;
    save_both(NULL);
    save(wrong, after, "after.json");
    tern(&p, "bench", "compare", before, after);
    assert_int_equal(p.status, 1);
    assert_non_null(strstr(p.out, "not compared (A: ok; B: WRONG VALUES)  matmul a=[64,64]"));
    program_free(&p);
}

static void comparison_as_json_holds_every_row(void **state)
{
    (void)state;
    const double slower[] = { 1, 1, 1.2, 1, 1, 1 };
    program p;
    save_both(slower);
    tern(&p, "bench", "compare", before, after, "--json");
    assert_int_equal(p.status, 1);
    json_t *json = json_loads(p.out, JSON_REJECT_DUPLICATES, NULL), *rows;
    assert_non_null(json);
    rows = json_object_get(json, "rows");
    assert_int_equal(json_array_size(rows), 6);
    const json_t *first = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "slower");
    assert_string_equal(json_string_value(json_object_get(first, "inputs")), "a=[48,48] b=[48,48]");
    double ratio = json_real_value(json_object_get(first, "ratio"));
    assert_true(fabs(ratio - 1.2) < 0.03);
    assert_true(json_real_value(json_object_get(first, "low")) < ratio);
    json_decref(json);
    program_free(&p);
}

static void a_page_shows_hot_beside_cold_and_the_reason_of_what_is_left_out(void **state)
{
    (void)state;
    json_t *made = bench_report_make(3, 40, NULL, 1), *cold, *rows = json_object_get(made, "rows");
    program p;
    cold = json_deep_copy(bench_report_row(made, 0));
    json_object_set_new(cold, "cache", json_string("cold"));
    json_array_insert_new(rows, 1, cold);
    json_object_set_new(bench_report_row(made, 0), "ratio",
                        json_pack("{s:s, s:f, s:f, s:n}", "to", "openblas", "value", 1.25, "low",
                                  0.0, "high"));
    json_object_set_new(bench_report_row(made, 2), "verdict", json_string("skipped: too large"));
    json_object_del(bench_report_row(made, 2), "samples");
    save(made, before, "before.json");
    tern(&p, "bench", "show", before);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "made up, 2 cores; 2026-11-22.\n"));
    assert_non_null(strstr(p.out, "| 1 thread | 120 | 300 |"));
    /* Two times in a line, and the provider of the ratio whose interval has no end. */
    const char *row = strstr(p.out, "| matmul a=[16,16] b=[16,16] | fwd | hand | 1 | ");
    assert_non_null(row);
    assert_null(strstr(row + 1, "| matmul a=[16,16]"));
    assert_non_null(strstr(row, "| 1.25 openblas |"));
    assert_non_null(strstr(p.out, "| skipped: too large |"));
    program_free(&p);
    tern(&p, "bench", "show", before, "--host");
    assert_null(strstr(p.out, "matmul"));
    program_free(&p);
}

/* Row r takes (r + 1)^3 times as long as row 0, at a half of its roofline, twice in a step. */
static void a_steps_losses_are_sorted_and_summed(void **state)
{
    (void)state;
    json_t *made = bench_report_make(4, 40, NULL, 1);
    program p;
    for (int r = 0; r < 4; r++) {
        json_object_set_new(bench_report_row(made, r), "count", json_real(2));
        json_object_set_new(bench_report_row(made, r), "ceilings",
                            json_pack("{s:f, s:f, s:s}", "fma", 0.5, "bandwidth", 0.1, "level",
                                      "L1"));
    }
    json_object_set_new(bench_report_row(made, 1), "verdict", json_string("WRONG VALUES"));
    save(made, before, "before.json");
    tern(&p, "bench", "show", before, "--bare", "--worst", "2");
    assert_int_equal(p.status, 0);
    double all, roof;
    int left_out;
    const char *text = strstr(p.out, "1 thread: all calls");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "1 thread: all calls of a step take %lf ms, by their rooflines "
                            "they would take %lf ms (without %d problems", &all, &roof, &left_out),
                     3);
    assert_true(left_out == 1 && fabs(all / roof - 2) < 0.2);
    const char *worst = strstr(p.out, "| matmul a=[64,64]");
    const char *next = strstr(p.out, "| matmul a=[48,48]");
    assert_true(worst && next && worst < next);
    assert_null(strstr(p.out, "| matmul a=[16,16]"));
    program_free(&p);
}

/* What program_assert_failed asks for, with another status. */
static void assert_error(const char *const *arguments, const char *says)
{
    program p;
    program_run(&p, arguments);
    if (p.status != 2 || *p.out || !strstr(p.err, says))
        fail_msg("exit status %d\n%s%s\nwanted: %s", p.status, p.out, p.err, says);
    program_free(&p);
}

static void errors_of_compare_exit_with_two(void **state)
{
    (void)state;
    char foreign[TEMPORARY_PATH_BYTES];
    program p;
    save_both(NULL);
    assert_true(temporary_file(foreign, test_folder, "foreign.json", "{\"a\": 1}", 8));
    temporary_path(picture, test_folder, "nowhere/a/b.svg");
    assert_error(LIST("bench", "compare", before, foreign), "foreign.json: not a report");
    assert_error(LIST("bench", "compare", before, "missing.json"), "missing.json");
    assert_error(LIST("bench", "compare", before), "wanted: tern bench compare A.json B.json");
    assert_error(LIST("bench", "compare", before, after, "--treshold", "3"),
                 "did you mean --threshold?");
    assert_error(LIST("bench", "compare", before, after, "--plot", "x.pdf"),
                 "x.pdf: a plot's name ends in .svg or .png");
    assert_error(LIST("bench", "compare", before, after, "--plot", "/dev/null/x.svg"),
                 "/dev/null/x.svg");
    assert_error(LIST("bench", "comprae", before, after), "did you mean compare?");
    program_run_into(&p, "/dev/full", LIST("bench", "compare", before, after));
    assert_int_equal(p.status, 2);
    program_free(&p);
}

static void assert_begins(const char *path, const char *bytes, size_t size)
{
    char found[16] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, size, file), size);
    fclose(file);
    assert_memory_equal(found, bytes, size);
}

static void plots_are_svg_or_png_by_their_name(void **state)
{
    (void)state;
    program p;
    save_both(NULL);
    temporary_path(picture, test_folder, "plot.png");
    tern(&p, "bench", "plot", before, "--out", picture);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "plot.png: 6 rows\n"));
    assert_begins(picture, "\x89PNG\r\n\x1a\n", 8);
    program_free(&p);
    temporary_path(picture, test_folder, "plot.svg");
    tern(&p, "bench", "plot", before, "--out", picture, "--kind", "scaling");
    assert_int_equal(p.status, 0);
    assert_begins(picture, "<?xml", 5);
    program_free(&p);
    temporary_path(picture, test_folder, "change.svg");
    tern(&p, "bench", "compare", before, after, "--plot", picture);
    assert_begins(picture, "<?xml", 5);
    program_free(&p);
}

static void what_cannot_be_drawn_is_told(void **state)
{
    (void)state;
    save_both(NULL);
    temporary_path(picture, test_folder, "none.svg");
    assert_fails(LIST("bench", "plot", before, "--out", picture, "--filter", "conv2d"),
                 "no row that a roofline shows", "named conv2d");
    assert_fails(LIST("bench", "plot", before, "--out", picture, "--kind", "scaling", "--filter",
                      "[16,16]"), "differ in one size alone");
    assert_error(LIST("bench", "plot", before, "--out", picture, "--kind", "rofline"),
                 "did you mean roofline?");
    assert_error(LIST("bench", "plot", before), "--out is needed");
    assert_null(fopen(picture, "rb"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_read_whole),
        cmocka_unit_test(lies_are_told_with_their_place),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(exit_status_tells_whether_something_is_slower),
        cmocka_unit_test(values_that_became_wrong_are_a_failure),
        cmocka_unit_test(a_page_shows_hot_beside_cold_and_the_reason_of_what_is_left_out),
        cmocka_unit_test(a_steps_losses_are_sorted_and_summed),
        cmocka_unit_test(comparison_as_json_holds_every_row),
        cmocka_unit_test(errors_of_compare_exit_with_two),
        cmocka_unit_test(plots_are_svg_or_png_by_their_name),
        cmocka_unit_test(what_cannot_be_drawn_is_told),
    };
    return cmocka_run_group_tests_name("bench report", tests, test_folder_make,
                                       test_folder_remove);
}
