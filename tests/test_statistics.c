/* Promises of the statistics of timings: quantiles are NumPy's, intervals hold the truth as
 * often as they say though samples depend on each other, measuring stops when it should. */
#include "tests/check.h"
#include "tests/timing_noise.h"

#include "bench/measure/bootstrap.h"
#include "bench/measure/statistics.h"
#include "bench/measure/stopping.h"

#include <math.h>
#include <string.h>

enum { MOST = 1000 };

/* ------------------------------------------------------------- summaries -- */

static void quantiles_are_those_of_numpy(void **state)
{
    (void)state;
    const double samples[] = { 9, 1, 4, 2, 7 }; /* numpy.quantile(samples, [.25, .5, .75, .99]) */
    double scratch[5];
    bench_summary summary = bench_summarise(samples, 5, scratch);
    assert_int_equal(summary.count, 5);
    assert_true(summary.least == 1 && summary.most == 9);
    assert_true(summary.lower_quartile == 2 && summary.median == 4 && summary.upper_quartile == 7);
    assert_true(fabs(summary.p99 - 8.92) < 1e-12);
    assert_true(samples[0] == 9); /* the order measured stays */
    summary = bench_summarise((const double[]){ 3, 1, 2, 8 }, 4, scratch);
    assert_true(summary.median == 2.5 && summary.lower_quartile == 1.75);
}

static void few_samples_tell_no_error(void **state)
{
    (void)state;
    double scratch[6];
    const double samples[] = { 1, 5, 2, 6, 3, 4 }; /* of six, the interval is all: 1 - 2/64 */
    assert_true(bench_summarise(samples, 0, scratch).relative_error == HUGE_VAL);
    assert_true(bench_summarise(samples, 1, scratch).relative_error == HUGE_VAL);
    assert_true(bench_summarise(samples, 5, scratch).relative_error == HUGE_VAL);
    double error = bench_summarise(samples, 6, scratch).relative_error;
    assert_true(fabs(error - 2.5 / 3.5) < 1e-12);
}

static void error_is_between_the_ranks_of_the_binomial(void **state)
{
    (void)state;
    /* Of 100: ranks 40 and 61 (Conover, Practical Nonparametric Statistics), here the values
     * themselves; above and below the median by turns, which is no positive correlation. */
    double samples[100], scratch[100];
    for (int i = 0; i < 100; i++)
        samples[i] = 1 + i / 2 + (i % 2 ? 50 : 0);
    bench_summary summary = bench_summarise(samples, 100, scratch);
    assert_true(summary.correlation_time == 1);
    assert_true(fabs(summary.relative_error - 10.5 / 50.5) < 1e-12);
}

static void equal_samples_have_no_error(void **state)
{
    (void)state;
    double samples[50], scratch[50];
    for (int i = 0; i < 50; i++)
        samples[i] = 2e-6;
    bench_summary summary = bench_summarise(samples, 50, scratch);
    assert_true(summary.relative_error == 0 && summary.correlation_time == 1);
}

static void correlation_time_is_that_of_the_process(void **state)
{
    (void)state;
    /* Of which side of the median z is on: rho(k) = 2/pi asin(0.6^k). */
    const timing_noise noise = { "", 0.01, 0.8, 0.6, 0, 0 };
    static double samples[20000], scratch[20000];
    double wanted = 1, found;
    for (int k = 1; k < 60; k++)
        wanted += 2 * 2 / 3.14159265358979 * asin(pow(0.6, k));
    tern_rng rng = tern_rng_make(1, TERN_STREAM_TEST, 0);
    timing_noise_draw(&noise, &rng, 1, samples, 20000);
    found = bench_summarise(samples, 20000, scratch).correlation_time;
    if (!(fabs(found / wanted - 1) < 0.1))
        fail_msg("correlation time %g, wanted %g", found, wanted);
}

/* -------------------------------------------------------------- coverage -- */

/* In how many of 100 cases the interval of the median holds the true one. */
static double error_coverage(const timing_noise *noise, int count, int cases)
{
    double samples[MOST], scratch[MOST], truth = timing_noise_median(noise);
    int held = 0;
    for (int i = 0; i < cases; i++) {
        tern_rng rng = tern_rng_make((uint64_t)i, TERN_STREAM_TEST, (uint32_t)count);
        timing_noise_draw(noise, &rng, 1, samples, count);
        bench_summary summary = bench_summarise(samples, count, scratch);
        held += fabs(summary.median - truth) <= summary.relative_error * summary.median;
    }
    return 100.0 * held / cases;
}

static void error_of_the_median_holds_on_noise_like_real(void **state)
{
    (void)state;
    for (int k = 0; k < TIMING_NOISES; k++)
        for (int count = 20; count <= 320; count *= 4) {
            double held = error_coverage(&timing_noises[k], count, 500);
            if (held < 93)
                fail_msg("%s noise, %d samples: holds in %.1f %%", timing_noises[k].name, count,
                         held);
        }
}

/* The same of the ratio; both sides from one distribution, b times 1.05. */
static double ratio_coverage(const timing_noise *noise, int count, int cases)
{
    double a[MOST], b[MOST];
    int held = 0;
    for (int i = 0; i < cases; i++) {
        bench_ratio ratio;
        tern_rng rng = tern_rng_make((uint64_t)i, TERN_STREAM_TEST, (uint32_t)count);
        timing_noise_draw(noise, &rng, 1, a, count);
        timing_noise_draw(noise, &rng, 1.05, b, count);
        bench_ratio_opts opts = { .resamples = 400, .stream = (uint32_t)i };
        assert_true(bench_ratio_of_medians(b, count, a, count, opts, &ratio, NULL));
        held += ratio.low <= 1.05 && 1.05 <= ratio.high;
    }
    return 100.0 * held / cases;
}

static void interval_of_a_ratio_holds_on_noise_like_real(void **state)
{
    (void)state;
    for (int k = 0; k < TIMING_NOISES; k++)
        for (int count = 20; count <= 180; count *= 3) {
            double held = ratio_coverage(&timing_noises[k], count, 250);
            /* 20 samples are too few to see how long the slow whiles last. */
            if (held < (timing_noises[k].slow && count == 20 ? 88 : 93))
                fail_msg("%s noise, %d samples: holds in %.1f %%", timing_noises[k].name, count,
                         held);
        }
}

/* ---------------------------------------------------------------- ratios -- */

static void ratio_is_of_a_to_b_and_the_same_for_a_seed(void **state)
{
    (void)state;
    double a[60], b[40];
    bench_ratio first, again, inverse, other;
    tern_rng rng = tern_rng_make(7, TERN_STREAM_TEST, 0);
    timing_noise_draw(&timing_noises[2], &rng, 2, a, 60);
    timing_noise_draw(&timing_noises[2], &rng, 1, b, 40);
    bench_ratio_opts opts = { .seed = 3 };
    assert_true(bench_ratio_of_medians(a, 60, b, 40, opts, &first, NULL));
    assert_true(bench_ratio_of_medians(a, 60, b, 40, opts, &again, NULL));
    assert_true(bench_ratio_of_medians(b, 40, a, 60, opts, &inverse, NULL));
    opts.seed = 4;
    assert_true(bench_ratio_of_medians(a, 60, b, 40, opts, &other, NULL));
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(memcmp(&first, &other, sizeof first) != 0);
    assert_true(fabs(first.value - 2) < 0.02);
    assert_true(first.low < first.value && first.value < first.high);
    assert_true(fabs(first.low * inverse.high - 1) < 0.003);
}

static void what_slows_both_does_not_count_in_pairs(void **state)
{
    (void)state;
    double a[60], b[60];
    bench_ratio pairs, apart;
    tern_rng rng = tern_rng_make(8, TERN_STREAM_TEST, 0);
    for (int i = 0; i < 60; i++) {
        double round = 1 + 0.3 * tern_rng_uniform(&rng);
        a[i] = round * (1 + 0.002 * tern_rng_uniform(&rng));
        b[i] = round * (1.1 + 0.002 * tern_rng_uniform(&rng));
    }
    bench_ratio_opts opts = { .paired = true };
    assert_true(bench_ratio_of_medians(b, 60, a, 60, opts, &pairs, NULL));
    opts.paired = false;
    assert_true(bench_ratio_of_medians(b, 60, a, 60, opts, &apart, NULL));
    assert_true(pairs.high - pairs.low < 0.2 * (apart.high - apart.low));
    assert_true(pairs.low <= 1.1 && 1.1 <= pairs.high);
}

static void ratio_of_too_few_samples_is_anything(void **state)
{
    (void)state;
    const double five[] = { 1, 2, 3, 4, 5 }, rising[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    bench_ratio ratio;
    tern_error error = { 0 };
    bench_ratio_opts none = { 0 }, paired = { .paired = true };
    assert_true(bench_ratio_of_medians(five, 5, five, 5, none, &ratio, &error));
    assert_true(ratio.value == 1 && ratio.low == 0 && ratio.high == HUGE_VAL);
    assert_true(bench_ratio_of_medians(rising, 8, rising, 8, none, &ratio, &error));
    assert_true(ratio.low == 0 && ratio.high == HUGE_VAL); /* eight, but not independent */
    assert_false(bench_ratio_of_medians(five, 5, five, 0, none, &ratio, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
    error.code = TERN_OK;
    assert_false(bench_ratio_of_medians(five, 5, rising, 8, paired, &ratio, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
}

/* -------------------------------------------------------------- stopping -- */

/* A clock that goes on by what each call takes. */
typedef struct measured {
    bench_stop why;
    int count;
    double seconds;
    bench_summary summary;
} measured;

static measured measure(bench_stop_rule rule, const timing_noise *noise, double base, uint64_t seed)
{
    double samples[MOST], scratch[MOST];
    measured m = { .why = BENCH_GO_ON };
    tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 1);
    timing_noise_draw(noise, &rng, base, samples, MOST);
    for (; m.why == BENCH_GO_ON && m.count < MOST;
         m.why = bench_should_stop(&rule, samples, m.count, m.seconds, scratch))
        m.seconds += samples[m.count++];
    m.summary = bench_summarise(samples, m.count, scratch);
    return m;
}

static void warm_up_wants_calls_and_time(void **state)
{
    (void)state;
    bench_stop_rule rule = bench_stop_rule_default();
    assert_false(bench_is_warm(&rule, rule.warm_up_calls, rule.warm_up_seconds / 2));
    assert_false(bench_is_warm(&rule, rule.warm_up_calls - 1, rule.warm_up_seconds));
    assert_true(bench_is_warm(&rule, rule.warm_up_calls, rule.warm_up_seconds));
}

static void measuring_stops_when_the_error_is_below_the_goal(void **state)
{
    (void)state;
    bench_stop_rule rule = bench_stop_rule_default();
    const timing_noise quiet = { "", 0.002, 0.5, 0, 0, 0 }, loud = { "", 0.1, 0.8, 0, 0, 0 };
    measured m = measure(rule, &quiet, 1e-4, 1);
    assert_int_equal(m.why, BENCH_STOP_MET);
    assert_int_equal(m.count, rule.least);
    m = measure(rule, &loud, 1e-4, 1);
    assert_int_equal(m.why, BENCH_STOP_MET);
    assert_true(m.count > 2 * rule.least && m.summary.relative_error < rule.goal);
}

static void an_unmet_goal_is_told(void **state)
{
    (void)state;
    bench_stop_rule rule = bench_stop_rule_default();
    const timing_noise wild = { "", 1, 1, 0.3, 0, 0 };
    rule.most = 130;
    measured m = measure(rule, &wild, 1e-4, 2);
    assert_int_equal(m.why, BENCH_STOP_ROUNDS);
    assert_int_equal(m.count, 130);
    rule.seconds = 60e-4 * 3;
    m = measure(rule, &wild, 1e-4, 2);
    assert_int_equal(m.why, BENCH_STOP_TIME);
    assert_true(m.count > rule.least && m.count < 130 && m.seconds >= rule.seconds);
    rule.seconds = 1e-9; /* the least number comes before time */
    m = measure(rule, &wild, 1e-4, 2);
    assert_int_equal(m.why, BENCH_STOP_TIME);
    assert_int_equal(m.count, rule.least);
    rule.goal = 0;
    rule.seconds = 0;
    assert_int_equal(measure(rule, &timing_noises[0], 1e-4, 1).why, BENCH_STOP_ROUNDS);
    assert_string_equal(bench_stop_name(BENCH_STOP_ROUNDS), "rounds");
    assert_string_equal(bench_stop_name(BENCH_STOP_INTERRUPTED), "interrupted");
}

/* To look for the moment at which the error seems small must not make it smaller than it is. */
static void error_holds_where_measuring_stopped(void **state)
{
    (void)state;
    const timing_noise noise = { "", 0.05, 0.8, 0.4, 0.02, 0 };
    double truth = timing_noise_median(&noise);
    int held = 0, met = 0;
    for (uint64_t seed = 0; seed < 500; seed++) {
        measured m = measure(bench_stop_rule_default(), &noise, 1, seed);
        held += fabs(m.summary.median - truth) <= m.summary.relative_error * m.summary.median;
        met += m.why == BENCH_STOP_MET;
    }
    if (held < 450)
        fail_msg("holds in %d of 500, %d met", held, met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_numpy),
        cmocka_unit_test(few_samples_tell_no_error),
        cmocka_unit_test(error_is_between_the_ranks_of_the_binomial),
        cmocka_unit_test(equal_samples_have_no_error),
        cmocka_unit_test(correlation_time_is_that_of_the_process),
        cmocka_unit_test(error_of_the_median_holds_on_noise_like_real),
        cmocka_unit_test(interval_of_a_ratio_holds_on_noise_like_real),
        cmocka_unit_test(ratio_is_of_a_to_b_and_the_same_for_a_seed),
        cmocka_unit_test(what_slows_both_does_not_count_in_pairs),
        cmocka_unit_test(ratio_of_too_few_samples_is_anything),
        cmocka_unit_test(warm_up_wants_calls_and_time),
        cmocka_unit_test(measuring_stops_when_the_error_is_below_the_goal),
        cmocka_unit_test(an_unmet_goal_is_told),
        cmocka_unit_test(error_holds_where_measuring_stopped),
    };
    return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
