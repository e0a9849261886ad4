/* The benchmark measures what it says, and providers that cheat are caught: they are other
 * implementations of matmul, registered by the test. */
#include "tests/check.h"

#include "bench/measure/machine.h"
#include "bench/report/table.h"
#include "bench/suite/suite.h"
#include "core/registry.h"
#include "kernels/table.h"

#include <math.h>
#include <string.h>

static const char *const INPUTS = "a=[64,48] b=[48,32]";
static const double SPIN = 2e-3;

/* A kernel has no closure. */
static struct {
    const tern_impl *hand;
    float memo[64 * 32], last[64 * 48];
    int runs, skipped, stop_after;
    bool known;
} fake;

static void run_hand(tern_call *call) { fake.hand->forward(call); }

static void spin(tern_call *call)
{
    double until = bench_seconds() + SPIN;
    fake.runs++;
    run_hand(call);
    while (bench_seconds() < until)
        continue;
}

static void return_early(tern_call *call) { (void)call; }

/* Right once. */
static void remember(tern_call *call)
{
    if (!fake.known) {
        run_hand(call);
        memcpy(fake.memo, call->out[0]->data, sizeof fake.memo);
    }
    fake.known = true;
    memcpy(call->out[0]->data, fake.memo, sizeof fake.memo);
}

/* Right always, and quick where the input is the one before. */
static void skip_repeated(tern_call *call)
{
    bool same = fake.known && memcmp(fake.last, call->in[0]->data, sizeof fake.last) == 0;
    fake.skipped += same;
    if (same) {
        memcpy(call->out[0]->data, fake.memo, sizeof fake.memo);
        return;
    }
    spin(call);
    memcpy(fake.last, call->in[0]->data, sizeof fake.last);
    memcpy(fake.memo, call->out[0]->data, sizeof fake.memo);
    fake.known = true;
}

static void leave_last_row_out(tern_call *call)
{
    float row[32];
    memcpy(row, (float *)call->out[0]->data + 63 * 32, sizeof row);
    run_hand(call);
    memcpy((float *)call->out[0]->data + 63 * 32, row, sizeof row);
}

static void be_wrong_in_one_element(tern_call *call)
{
    run_hand(call);
    ((float *)call->out[0]->data)[777] += 0.5f;
}

static size_t hand_workspace(const tern_call *call)
{
    return fake.hand->forward_workspace ? fake.hand->forward_workspace(call) : 0;
}

static const tern_impl fakes[] = {
#define FAKE(function)                                                                            \
    { .op = "matmul", .backend = "cpu", .provider = #function, .forward = function,               \
      .forward_workspace = hand_workspace }
    FAKE(spin), FAKE(return_early), FAKE(remember), FAKE(skip_repeated), FAKE(leave_last_row_out),
    FAKE(be_wrong_in_one_element),
};

static void add_fakes(tern_ctx *ctx, void *user)
{
    (void)user;
    if (strcmp(tern_device(ctx), "cpu") != 0) /* ref, to be checked with */
        return;
    fake.hand = tern_find_impl(ctx, tern_op_find("matmul", &(tern_error){ 0 }));
    for (size_t i = 0; i < sizeof fakes / sizeof *fakes; i++)
        tern_add_impl(ctx, &fakes[i]);
}

static bench_settings settings_for(const char *provider)
{
    fake.known = false;
    fake.runs = fake.skipped = 0;
    return (bench_settings){ .providers = { provider }, .threads = { 1 }, .thread_counts = 1,
                             .passes = { true }, .hot = true, .cold = true, .seed = 1,
                             .rule = { .least = 5, .most = 15, .goal = 0.01, .seconds = 2 },
                             .prepare = add_fakes };
}

static bench_suite run(const bench_settings *settings, bench_cases *cases, const char *inputs)
{
    tern_error error = { 0 };
    bench_suite suite;
    const tern_op *op = tern_op_find("matmul", &error);
    if (!cases->count && !bench_cases_add(cases, op, inputs, "", NULL, &error))
        fail_msg("%s", error.message);
    if (!bench_suite_run(&suite, settings, cases, &error))
        fail_msg("%s", error.message);
    return suite;
}

static void assert_verdict(const char *provider, const char *verdict)
{
    bench_settings settings = settings_for(provider);
    bench_cases cases = { 0 };
    bench_suite suite = run(&settings, &cases, INPUTS);
    assert_int_equal(suite.count, 2);
    for (int i = 0; i < suite.count; i++)
        if (!strstr(bench_result_verdict(&suite.results[i]), verdict))
            fail_msg("%s: %s", provider, bench_result_verdict(&suite.results[i]));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void honest_providers_are_ok(void **state)
{
    (void)state;
    assert_verdict("hand", "ok");
    assert_verdict("spin", "ok");
}

static void a_provider_that_returns_early_is_caught(void **state)
{
    (void)state;
    assert_verdict("return_early", "WRONG");
}

static void a_provider_that_caches_its_result_is_caught(void **state)
{
    (void)state;
    assert_verdict("remember", "WRONG");
}

static void a_provider_that_leaves_values_unwritten_is_caught(void **state)
{
    (void)state;
    assert_verdict("leave_last_row_out", "WRONG");
    bench_settings settings = settings_for("leave_last_row_out");
    bench_cases cases = { 0 };
    bench_suite suite = run(&settings, &cases, INPUTS);
    for (int i = 0; i < suite.count; i++) /* seen in every run, not by the checks alone */
        assert_int_equal(suite.results[i].left_out, suite.results[i].summary.count);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void one_wrong_element_is_caught(void **state)
{
    (void)state;
    assert_verdict("be_wrong_in_one_element", "WRONG");
}

/* Nothing is gained by skipping, for no run has the inputs of the run before. */
static void no_run_repeats_the_one_before(void **state)
{
    (void)state;
    bench_settings settings = settings_for("skip_repeated");
    bench_cases cases = { 0 };
    bench_suite suite = run(&settings, &cases, INPUTS);
    assert_true(fake.runs > 20);
    assert_int_equal(fake.skipped, 0);
    for (int i = 0; i < suite.count; i++)
        assert_true(suite.results[i].summary.least >= SPIN);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

/* The farthest that a median is from the time spent, as a part of it. */
static double measure_spin(void)
{
    bench_settings settings = settings_for("spin");
    bench_cases cases = { 0 };
    bench_suite suite = run(&settings, &cases, INPUTS);
    double off = 0;
    for (int i = 0; i < suite.count; i++) {
        const bench_summary *time = &suite.results[i].summary;
        assert_true(time->count >= settings.rule.least && time->count <= settings.rule.most);
        assert_true(time->least >= SPIN);
        off = fmax(off, fabs(time->median / SPIN - 1));
        assert_true(suite.results[i].flops == 2.0 * 64 * 48 * 32);
        assert_true(suite.results[i].bytes == 4.0 * (64 * 48 + 48 * 32 + 64 * 32));
    }
    bench_suite_free(&suite);
    bench_cases_free(&cases);
    return off;
}

/* On a machine that others use the core may be taken from every second run: once more then. */
static void a_known_time_is_measured_within_5_percent(void **state)
{
    (void)state;
    double off = HUGE_VAL;
    for (int tries = 0; tries < 5 && off > 0.05; tries++)
        off = measure_spin();
    if (off > 0.05)
        fail_msg("a median is %.0f %% from the time spent", 100 * off);
}

static void what_is_faster_than_the_machine_is_suspect(void **state)
{
    (void)state;
    bench_result result = { .roof = { .seconds = 1e-2 }, .summary = { .median = 1e-2 } };
    assert_string_equal(bench_result_verdict(&result), "ok");
    result.summary.median = 0.9e-2;
    assert_non_null(strstr(bench_result_verdict(&result), "suspect"));
    result.error[1] = NAN;
    assert_non_null(strstr(bench_result_verdict(&result), "WRONG"));
}

static void what_does_not_fit_in_memory_is_skipped_with_a_reason(void **state)
{
    (void)state;
    bench_settings settings = settings_for("hand");
    bench_cases cases = { 0 };
    bench_suite suite = run(&settings, &cases, "a=[4000000,1000000] b=[1000000,8]");
    assert_int_equal(suite.count, 2);
    assert_true(suite.results[0].skipped);
    assert_non_null(strstr(suite.results[0].why, "does not fit in memory"));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static bool stop(void *user)
{
    (void)user;
    return fake.runs >= fake.stop_after;
}

static void an_interruption_keeps_what_was_measured(void **state)
{
    (void)state;
    tern_error error = { 0 };
    bench_settings settings = settings_for("spin");
    bench_cases cases = { 0 };
    const tern_op *op = tern_op_find("matmul", &error);
    for (int i = 0; i < 3; i++)
        assert_true(bench_cases_add(&cases, op, INPUTS, "", NULL, &error));
    settings.rule.least = settings.rule.most = 8;
    settings.stop = stop;
    fake.stop_after = 40; /* in the second problem */
    bench_suite suite = run(&settings, &cases, NULL);
    assert_true(suite.interrupted);
    assert_int_equal(suite.count, 4);
    assert_int_equal(suite.results[0].summary.count, 8);
    assert_string_equal(bench_result_verdict(&suite.results[0]), "ok");
    assert_int_equal(suite.results[2].stop, BENCH_STOP_INTERRUPTED);
    assert_in_range(suite.results[2].summary.count, 1, 7);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

static void a_budget_is_for_all_problems(void **state)
{
    (void)state;
    tern_error error = { 0 };
    bench_settings settings = settings_for("spin");
    bench_cases cases = { 0 };
    for (int i = 0; i < 3; i++)
        assert_true(bench_cases_add(&cases, tern_op_find("matmul", &error), INPUTS, "", NULL,
                                    &error));
    settings.budget = 3; /* the first alone would take its 2 s, and 2000 samples */
    settings.rule.most = 2000;
    settings.rule.goal = 0;
    bench_suite suite = run(&settings, &cases, NULL);
    assert_int_equal(suite.count, 6);
    for (int i = 0; i < suite.count; i++)
        if (suite.results[i].skipped || suite.results[i].stop != BENCH_STOP_TIME)
            fail_msg("row %d: %s", i, suite.results[i].why);
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

/* Before the second problem, until the budget is used up. */
static void wait_before_the_second(int problem, int problems, const char *text, void *user)
{
    const bench_settings *settings = user;
    double until = bench_seconds() + settings->budget;
    (void)problems;
    (void)text;
    while (problem == 1 && bench_seconds() < until)
        continue;
}

static void a_budget_that_is_used_up_skips_the_rest(void **state)
{
    (void)state;
    tern_error error = { 0 };
    bench_settings settings = settings_for("spin");
    bench_cases cases = { 0 };
    for (int i = 0; i < 2; i++)
        assert_true(bench_cases_add(&cases, tern_op_find("matmul", &error), INPUTS, "", NULL,
                                    &error));
    settings.budget = 2; /* half of it is enough for the first, on a busy machine too */
    settings.progress = wait_before_the_second;
    settings.user = &settings;
    bench_suite suite = run(&settings, &cases, NULL);
    assert_int_equal(suite.count, 4);
    assert_true(!suite.results[0].skipped && suite.results[0].summary.count > 0);
    assert_true(suite.results[2].skipped);
    assert_non_null(strstr(suite.results[2].why, "budget"));
    bench_suite_free(&suite);
    bench_cases_free(&cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_providers_are_ok),
        cmocka_unit_test(a_provider_that_returns_early_is_caught),
        cmocka_unit_test(a_provider_that_caches_its_result_is_caught),
        cmocka_unit_test(a_provider_that_leaves_values_unwritten_is_caught),
        cmocka_unit_test(one_wrong_element_is_caught),
        cmocka_unit_test(no_run_repeats_the_one_before),
        cmocka_unit_test(a_known_time_is_measured_within_5_percent),
        cmocka_unit_test(what_is_faster_than_the_machine_is_suspect),
        cmocka_unit_test(what_does_not_fit_in_memory_is_skipped_with_a_reason),
        cmocka_unit_test(an_interruption_keeps_what_was_measured),
        cmocka_unit_test(a_budget_is_for_all_problems),
        cmocka_unit_test(a_budget_that_is_used_up_skips_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
