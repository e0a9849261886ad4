#include "bench/suite/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "bench/suite/check.h"
#include "bench/suite/lanes.h"
#include "bench/suite/outline.h"

/* Another context's threads spin for a while after their work; let them go to sleep. */
static const double SETTLING_SECONDS = 150e-6;

const char *bench_pass_name(bench_pass pass)
{
    static const char *const names[] = { "fwd", "bwd", "both" };
    return names[pass];
}

/* --------------------------------------------------------------- rounds -- */

/* What is run in a round: a lane's hot or cold row. */
typedef struct turn {
    bench_lane *lane;
    int result;
    bool cold;
    double since; /* when the first sample was taken */
} turn;

typedef struct rounds {
    bench_lanes *lanes;
    turn *turns;
    int count;
    tern_rng rng;
    double *scratch;
} rounds;

static bool is_stopped(const bench_suite *suite)
{
    return suite->settings->stop && suite->settings->stop(suite->settings->user);
}

static bool rounds_open(rounds *r, bench_lanes *lanes, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    *r = (rounds){ .lanes = lanes, .rng = tern_rng_make(settings->seed, TERN_STREAM_SHUFFLE, 0) };
    r->turns = calloc((size_t)lanes->count * 2 + 1, sizeof *r->turns);
    r->scratch = calloc((size_t)settings->rule.most + 1, sizeof *r->scratch);
    bool ok = r->turns && r->scratch;
    for (int i = 0; ok && i < 2 * lanes->count; i++) {
        bench_lane *lane = &lanes->lane[i / 2];
        bool cold = i % 2;
        int number = cold ? lane->cold : lane->hot;
        if (!lane->ready || number < 0)
            continue;
        r->turns[r->count++] = (turn){ .lane = lane, .result = number, .cold = cold };
        double **samples = &lanes->suite->results[number].samples;
        ok = (*samples = calloc((size_t)settings->rule.most + 1, sizeof **samples));
    }
    return ok || tern_error_set(error, TERN_ERR_MEMORY, "no memory for samples");
}

static void rounds_close(rounds *r)
{
    free(r->turns);
    free(r->scratch);
}

static void settle(void)
{
    double until = bench_seconds() + SETTLING_SECONDS;
    while (bench_seconds() < until)
        continue;
}

static void add_sample(rounds *r, turn *at, double seconds)
{
    const bench_stop_rule *rule = &r->lanes->suite->settings->rule;
    bench_result *result = &r->lanes->suite->results[at->result];
    bench_row *row = &at->lane->row;
    if (!result->summary.count)
        at->since = bench_seconds();
    result->samples[result->summary.count++] = seconds;
    result->left_out += bench_row_left_out(row);
    result->flops = row->flops;
    result->bytes = row->bytes;
    result->stop = bench_should_stop(rule, result->samples, result->summary.count,
                                     bench_seconds() - at->since, r->scratch);
    if (!tern_ok(at->lane->ctx))
        bench_lane_skip(r->lanes, at->lane, "");
}

static bool has_ended(const rounds *r, const turn *at)
{
    return !at->lane->ready || r->lanes->suite->results[at->result].stop != BENCH_GO_ON;
}

/* Every turn that has not ended, once, in random order; false if all had. */
static bool run_round(rounds *r, double deadline)
{
    bool any = false;
    for (int i = 0; i < r->count; i++) {
        int other = (int)tern_rng_below(&r->rng, (uint32_t)(i + 1));
        turn held = r->turns[i];
        r->turns[i] = r->turns[other];
        r->turns[other] = held;
    }
    for (int i = 0; i < r->count; i++)
        any = any || !has_ended(r, &r->turns[i]);
    for (int i = 0; any && i < r->count; i++) {
        if (is_stopped(r->lanes->suite) || bench_seconds() > deadline)
            return false;
        if (has_ended(r, &r->turns[i]))
            continue;
        settle();
        add_sample(r, &r->turns[i], bench_lane_run(r->turns[i].lane, r->turns[i].cold));
    }
    return any;
}

static void warm_up(rounds *r)
{
    double start = bench_seconds();
    for (int calls = 0; !is_stopped(r->lanes->suite) &&
                        !bench_is_warm(&r->lanes->suite->settings->rule, calls,
                                       bench_seconds() - start); calls++)
        for (int i = 0; i < r->count; i++)
            if (r->turns[i].lane->ready)
                bench_lane_run(r->turns[i].lane, r->turns[i].cold);
}

static void end_rounds(rounds *r)
{
    bench_suite *suite = r->lanes->suite;
    for (int i = 0; i < r->count; i++) {
        const turn *at = &r->turns[i];
        bench_result *result = &suite->results[at->result];
        if (result->skipped)
            continue;
        result->summary = bench_summarise(result->samples, result->summary.count, r->scratch);
        if (result->stop == BENCH_GO_ON)
            result->stop = is_stopped(suite) ? BENCH_STOP_INTERRUPTED : BENCH_STOP_TIME;
        if (!result->summary.count)
            bench_lane_skip(r->lanes, at->lane, is_stopped(suite) ? "interrupted"
                                                                  : "no time was left");
    }
}

/* ---------------------------------------------------------------- cases -- */

/* Every lane on values that its rows were not given while they were timed. */
static bool check(bench_lanes *lanes, const tern_problem *problem, int when, tern_error *error)
{
    bench_reference reference = { 0 };
    bool made = false;
    for (int i = 0; i < lanes->count && !error->code; i++) {
        bench_lane *lane = &lanes->lane[i];
        if (!lane->ready)
            continue;
        made = made || bench_reference_make(&reference, lanes->suite->settings, problem,
                                            &lane->row, error);
        if (!made)
            break;
        bench_row_give(&lane->row, problem);
        double found = bench_reference_compare(&reference, &lane->row);
        if (!tern_ok(lane->ctx))
            bench_lane_skip(lanes, lane, "");
        if (lane->hot >= 0)
            lanes->suite->results[lane->hot].error[when] = found;
        if (lane->cold >= 0)
            lanes->suite->results[lane->cold].error[when] = found;
    }
    bench_reference_free(&reference);
    return !error->code;
}

static void skip_all(bench_lanes *lanes, const char *why)
{
    for (int i = 0; i < lanes->count; i++)
        if (lanes->lane[i].ready)
            bench_lane_skip(lanes, &lanes->lane[i], why);
}

static bool time_lanes(bench_lanes *lanes, const tern_problem *first, const tern_problem *last,
                       double deadline, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    tern_error unchecked = { 0 };
    rounds r;
    if (settings->once) {
        for (int i = 0; i < lanes->count; i++)
            if (lanes->lane[i].ready)
                bench_row_run(&lanes->lane[i].row, NULL, NULL);
        skip_all(lanes, "run once, not timed");
        return true;
    }
    if (!check(lanes, first, 0, &unchecked)) {
        skip_all(lanes, unchecked.message);
        return true;
    }
    bool ok = rounds_open(&r, lanes, error);
    if (ok) {
        warm_up(&r);
        while (run_round(&r, deadline))
            continue;
        end_rounds(&r);
    }
    rounds_close(&r);
    if (ok && !is_stopped(lanes->suite) && !check(lanes, last, 1, &unchecked))
        skip_all(lanes, unchecked.message);
    return ok;
}

static bool time_case(bench_suite *suite, const bench_case *of, bench_pass pass, double deadline,
                      tern_error *error)
{
    tern_problem first = { 0 }, last = { 0 };
    bench_lanes lanes = { 0 };
    bench_outline outline;
    tern_error unfit = { 0 };
    uint64_t seed = suite->settings->seed;
    if (!bench_outline_make(&outline, suite->settings, of, pass,
                            2 * suite->settings->thread_counts, &unfit))
        return bench_lanes_skip(suite, of, pass, unfit.message, error);
    bool ok = true;
    if (!tern_problem_make(&first, of->op, of->inputs, of->options, seed, &unfit) ||
        !tern_problem_make(&last, of->op, of->inputs, of->options, seed + 1, &unfit))
        ok = bench_lanes_skip(suite, of, pass, unfit.message, error);
    else
        ok = bench_lanes_open(&lanes, suite, of, pass, &first, error) &&
             time_lanes(&lanes, &first, &last, deadline, error);
    bench_lanes_close(&lanes);
    tern_problem_free(&first);
    tern_problem_free(&last);
    return ok;
}

static void tell(const bench_suite *suite, int done, int all, const bench_case *of, bench_pass pass)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s %s %s", bench_pass_name(pass), of->op->name, of->inputs,
             of->options);
    if (suite->settings->progress)
        suite->settings->progress(done, all, text, suite->settings->user);
}

static bool has_gradient(const tern_op *op)
{
    for (int i = 0; i < tern_op_input_count(op); i++)
        if (op->in[i].flags & TERN_DIFF)
            return true;
    return false;
}

bool bench_case_wants(const bench_case *of, const bench_settings *settings, bench_pass pass)
{
    bool wanted = of->has_pass ? of->pass == (int)pass : settings->passes[pass];
    return wanted && (pass == BENCH_FORWARD || has_gradient(of->op));
}

static bool time_cases(bench_suite *suite, tern_error *error)
{
    const bench_settings *settings = suite->settings;
    const bench_cases *cases = suite->cases;
    double deadline = settings->budget > 0 ? bench_seconds() + settings->budget : HUGE_VAL;
    int passes = settings->passes[0] + settings->passes[1] + settings->passes[2], done = 0;
    for (int i = 0; i < cases->count; i++)
        for (int number = 0; number < BENCH_PASSES; number++) {
            bench_pass pass = (bench_pass)number;
            const bench_case *of = &cases->of[i];
            if (!bench_case_wants(of, settings, pass))
                continue;
            tell(suite, done++, cases->count * passes, of, pass);
            bool ok = true;
            if (is_stopped(suite))
                suite->interrupted = true;
            else if (bench_seconds() > deadline)
                ok = bench_lanes_skip(suite, of, pass, "the time budget was used up", error);
            else
                ok = time_case(suite, of, pass, deadline, error);
            if (!ok)
                return false;
            if (!settings->once)
                bench_ceilings_measure(&suite->ceilings, 0);
        }
    suite->interrupted = suite->interrupted || is_stopped(suite);
    return true;
}

/* ------------------------------------------------- what is known at the end -- */

static void find_roof(const bench_suite *suite, bench_result *result)
{
    bench_work work = { .simd = result->simd, .threads = result->threads, .flops = result->flops,
                        .bytes = result->bytes, .working_set = result->bytes,
                        .cold = result->cold };
    if (strcmp(result->device, "cpu") == 0)
        result->roof = bench_roofline(&suite->ceilings, &work);
}

static bool is_same_but_provider(const bench_result *a, const bench_result *b)
{
    return a->of == b->of && a->pass == b->pass && a->threads == b->threads &&
           a->cold == b->cold && strcmp(a->simd, b->simd) == 0;
}

/* Of hand's row: the fastest other provider's time over its own. */
static bool find_ratio(const bench_suite *suite, int number, tern_error *error)
{
    bench_result *result = &suite->results[number];
    const bench_result *other = NULL;
    for (int i = 0; i < suite->count; i++) {
        const bench_result *at = &suite->results[i];
        if (i != number && !at->skipped && is_same_but_provider(at, result) &&
            (!other || at->summary.median < other->summary.median))
            other = at;
    }
    if (!other || strcmp(result->provider, "hand") != 0)
        return true;
    result->has_ratio = true;
    memcpy(result->ratio_to, other->provider, sizeof result->ratio_to);
    return bench_ratio_of_medians(other->samples, other->summary.count, result->samples,
                                  result->summary.count,
                                  (bench_ratio_opts){ .seed = suite->settings->seed,
                                                      .stream = (uint32_t)number },
                                  &result->ratio, error);
}

bool bench_suite_run(bench_suite *suite, const bench_settings *settings, const bench_cases *cases,
                     tern_error *error)
{
    bench_usage start = bench_usage_now();
    *suite = (bench_suite){ .settings = settings, .cases = cases };
    if (!bench_ceilings_open(&suite->ceilings, settings->threads, settings->thread_counts, error))
        return false;
    if (!settings->once)
        bench_ceilings_measure(&suite->ceilings, settings->ceilings);
    bool ok = time_cases(suite, error);
    bench_ceilings_close(&suite->ceilings);
    for (int i = 0; i < suite->count && ok; i++)
        if (!suite->results[i].skipped) {
            find_roof(suite, &suite->results[i]);
            ok = find_ratio(suite, i, error);
        }
    bench_usage end = bench_usage_now();
    suite->disturbance = bench_usage_between(&start, &end);
    return ok;
}

void bench_suite_free(bench_suite *suite)
{
    for (int i = 0; i < suite->count; i++) {
        free(suite->results[i].samples);
        free(suite->results[i].flags);
    }
    free(suite->results);
    *suite = (bench_suite){ 0 };
}
