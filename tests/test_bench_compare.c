/* Promises of `tern bench compare`: rows of one distribution are the same, planted changes are
 * found, rows are matched by all that tells them apart. */
#include "tests/bench_report.h"
#include "tests/check.h"

#include "bench/report/compare.h"

#include <math.h>
#include <string.h>

static const bench_compare_opts three_percent = { .threshold = 0.03 };

static bench_comparison compare(const bench_recorded *a, const bench_recorded *b)
{
    bench_comparison c;
    tern_error error = { 0 };
    if (!bench_compare(a, b, three_percent, &c, &error))
        fail_msg("%s", error.message);
    return c;
}

static void free_all(bench_comparison *c, bench_recorded *a, bench_recorded *b)
{
    bench_comparison_free(c);
    bench_recorded_free(a);
    bench_recorded_free(b);
}

/* -------------------------------------------------------------- verdicts -- */

enum { ROWS = 100, SAMPLES = 60, SEEDS = 5 };

static void one_distribution_is_the_same(void **state)
{
    (void)state;
    int same = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bench_recorded *a = bench_report_read(bench_report_make(ROWS, SAMPLES, NULL, 2 * seed));
        bench_recorded *b = bench_report_read(bench_report_make(ROWS, SAMPLES, NULL, 2 * seed + 1));
        bench_comparison c = compare(a, b);
        assert_int_equal(c.row_count, ROWS);
        if (c.counts[BENCH_SLOWER] + c.counts[BENCH_FASTER] > 0)
            fail_msg("seed %d: %d slower, %d faster", (int)seed, c.counts[BENCH_SLOWER],
                     c.counts[BENCH_FASTER]);
        same += c.counts[BENCH_SAME];
        free_all(&c, a, b);
    }
    if (same < 0.95 * ROWS * SEEDS)
        fail_msg("%d of %d are the same", same, ROWS * SEEDS);
}

/* The row of C that is row `index` of A. */
static const bench_compared_row *find(const bench_comparison *c, int index)
{
    for (int i = 0; i < c->row_count; i++)
        if (c->rows[i].a == &c->a->rows[index])
            return &c->rows[i];
    fail_msg("row %d was not compared", index);
    return NULL;
}

static void planted_changes_of_five_percent_are_found(void **state)
{
    (void)state;
    int found = 0, planted = 0, missed_as_same = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double factors[ROWS];
        for (int r = 0; r < ROWS; r++)
            factors[r] = r % 10 == 1 ? 1.05 : r % 10 == 7 ? 1 / 1.05 : 1;
        bench_recorded *a = bench_report_read(bench_report_make(ROWS, SAMPLES, NULL, 2 * seed));
        bench_recorded *b =
            bench_report_read(bench_report_make(ROWS, SAMPLES, factors, 2 * seed + 1));
        bench_comparison c = compare(a, b);
        for (int r = 0; r < ROWS; r++) {
            bench_verdict verdict = find(&c, r)->verdict;
            bool is_planted = factors[r] != 1;
            planted += is_planted;
            found += is_planted && verdict == (factors[r] > 1 ? BENCH_SLOWER : BENCH_FASTER);
            missed_as_same += is_planted && verdict == BENCH_SAME;
            assert_true(is_planted || (verdict != BENCH_SLOWER && verdict != BENCH_FASTER));
        }
        free_all(&c, a, b);
    }
    if (found < 0.95 * planted || missed_as_same)
        fail_msg("%d of %d found, %d called the same", found, planted, missed_as_same);
}

static void verdicts_follow_the_interval_and_the_threshold(void **state)
{
    (void)state;
    static const struct { bench_ratio ratio; bench_verdict wanted; } cases[] = {
        { { 1.00, 0.98, 1.02 }, BENCH_SAME },
        { { 1.02, 1.01, 1.029 }, BENCH_SAME },      /* a change, but none that counts */
        { { 1.05, 1.01, 1.09 }, BENCH_SLOWER },
        { { 1.05, 0.99, 1.09 }, BENCH_AMBIGUOUS },  /* may be none                    */
        { { 1.02, 1.01, 1.04 }, BENCH_AMBIGUOUS },  /* may be one that counts         */
        { { 1.00, 0.90, 1.10 }, BENCH_AMBIGUOUS },
        { { 0.95, 0.93, 0.99 }, BENCH_FASTER },
        { { 0.95, 0.93, 1.01 }, BENCH_AMBIGUOUS },
        { { 1 / 1.05, 1 / 1.09, 1 / 1.01 }, BENCH_FASTER },
        { { 3.00, 0, HUGE_VAL }, BENCH_AMBIGUOUS }, /* too few samples                */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (bench_verdict_of(cases[i].ratio, 0.03) != cases[i].wanted)
            fail_msg("case %zu is %s", i,
                     bench_verdict_name(bench_verdict_of(cases[i].ratio, 0.03)));
}

static void rows_are_sorted_by_verdict_and_size_of_change(void **state)
{
    (void)state;
    const double factors[] = { 1, 1.1, 0.7, 1.5, 0.9, 1, 1.2 };
    bench_recorded *a = bench_report_read(bench_report_make(7, 40, NULL, 1));
    bench_recorded *b = bench_report_read(bench_report_make(7, 40, factors, 2));
    bench_comparison c = compare(a, b);
    const int wanted[] = { 3, 6, 1, 2, 4 };
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(c.rows[i].a, &a->rows[wanted[i]]);
    assert_int_equal(c.counts[BENCH_SLOWER], 3);
    assert_int_equal(c.counts[BENCH_FASTER], 2);
    free_all(&c, a, b);
}

/* -------------------------------------------------------------- matching -- */

/* Change one value of row 0; it must then match no row. */
static void expect_left(const char *key, json_t *value)
{
    json_t *changed = bench_report_make(2, 20, NULL, 1);
    json_object_set_new(bench_report_row(changed, 0), key, value);
    bench_recorded *a = bench_report_read(bench_report_make(2, 20, NULL, 1));
    bench_recorded *b = bench_report_read(changed);
    bench_comparison c = compare(a, b);
    if (c.row_count != 1 || c.left_count != 2 || !c.left[0].a != !c.left[1].b)
        fail_msg("%s: %d compared, %d left", key, c.row_count, c.left_count);
    free_all(&c, a, b);
}

static void rows_match_by_all_that_tells_them_apart(void **state)
{
    (void)state;
    static const char *const keys[] = { "op", "inputs", "options", "pass", "provider", "device",
                                        "dtype", "simd", "cache",
                                        "gradients" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        expect_left(keys[i], json_string("another"));
    expect_left("threads", json_integer(2));
    expect_left("tags", json_pack("{s:s}", "batch", "new"));
}

static void the_order_of_rows_and_tags_does_not_matter(void **state)
{
    (void)state;
    json_t *one = bench_report_make(3, 20, NULL, 1), *two = json_deep_copy(one);
    json_object_set_new(bench_report_row(one, 1), "tags",
                        json_pack("{s:s,s:s}", "a", "1", "b", "2"));
    json_object_set_new(bench_report_row(two, 1), "tags",
                        json_pack("{s:s,s:s}", "b", "2", "a", "1"));
    json_t *rows = json_object_get(two, "rows"), *first = json_incref(json_array_get(rows, 0));
    json_array_remove(rows, 0);
    json_array_append_new(rows, first);
    bench_recorded *a = bench_report_read(one), *b = bench_report_read(two);
    bench_comparison c = compare(a, b);
    assert_int_equal(c.row_count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(c.rows[i].ratio.value == 1);
    free_all(&c, a, b);
}

static void rows_that_do_not_count_are_not_compared(void **state)
{
    (void)state;
    json_t *wrong = bench_report_make(4, 20, NULL, 1);
    json_object_set_new(bench_report_row(wrong, 0), "verdict", json_string("WRONG VALUES"));
    json_object_set_new(bench_report_row(wrong, 1), "verdict", json_string("suspect: too fast"));
    json_object_set_new(bench_report_row(wrong, 2), "verdict", json_string("skipped: too large"));
    json_object_del(bench_report_row(wrong, 2), "samples");
    bench_recorded *a = bench_report_read(bench_report_make(4, 20, NULL, 1));
    bench_recorded *b = bench_report_read(wrong);
    bench_comparison c = compare(a, b);
    assert_int_equal(c.row_count, 1);
    assert_int_equal(c.left_count, 3);
    assert_int_equal(c.broken, 1);
    bench_comparison_free(&c);
    c = compare(b, a); /* values that became right are no failure */
    assert_int_equal(c.broken, 0);
    free_all(&c, a, b);
}

static void assert_refused(bench_recorded *a, bench_recorded *b, const char *says)
{
    bench_comparison c;
    tern_error error = { 0 };
    assert_false(bench_compare(a, b, three_percent, &c, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    if (!strstr(error.message, says))
        fail_msg("%s", error.message);
    bench_recorded_free(a);
    bench_recorded_free(b);
}

static void nothing_in_common_is_an_error(void **state)
{
    (void)state;
    json_t *other = bench_report_make(1, 20, NULL, 1), *twice = bench_report_make(3, 20, NULL, 1);
    json_object_set_new(bench_report_row(other, 0), "op", json_string("linear"));
    json_array_append(json_object_get(twice, "rows"), bench_report_row(twice, 1));
    assert_refused(bench_report_read(bench_report_make(1, 20, NULL, 1)), bench_report_read(other),
                   "no row is measured in both");
    assert_refused(bench_report_read(bench_report_make(3, 20, NULL, 1)), bench_report_read(twice),
                   "made.json: rows[1] and rows[3] are both matmul a=[32,32]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_distribution_is_the_same),
        cmocka_unit_test(planted_changes_of_five_percent_are_found),
        cmocka_unit_test(verdicts_follow_the_interval_and_the_threshold),
        cmocka_unit_test(rows_are_sorted_by_verdict_and_size_of_change),
        cmocka_unit_test(rows_match_by_all_that_tells_them_apart),
        cmocka_unit_test(the_order_of_rows_and_tags_does_not_matter),
        cmocka_unit_test(rows_that_do_not_count_are_not_compared),
        cmocka_unit_test(nothing_in_common_is_an_error),
    };
    return cmocka_run_group_tests_name("bench compare", tests, NULL, NULL);
}
