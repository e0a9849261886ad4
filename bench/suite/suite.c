#include "bench/suite/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "bench/suite/check.h"
#include "bench/suite/lanes.h"
#include "bench/suite/outline.h"
#include "bench/suite/rounds.h"

const char *bench_pass_name(bench_pass pass)
{
    static const char *const names[] = { "fwd", "bwd", "both", "infer", "train" };
    return names[pass];
}

/* ---------------------------------------------------------------- cases -- */

/* Of all lanes, once one needs it: what ref gives, and the file of it for peers. */
static bool make_reference(bench_lanes *lanes, bench_lane *lane, const tern_problem *problem,
                           bench_reference *reference, tern_error *error)
{
    const bench_row *row = lanes->guide.ctx ? &lanes->guide.row : &lane->row;
    return bench_reference_make(reference, lanes->suite->settings, problem, row, error) &&
           (!lanes->guide.ctx || bench_op_peers_write(lanes, problem, reference, error));
}

/* Every lane on values that its rows were not given while they were timed. */
static bool check_op(bench_lanes *lanes, const tern_problem *problem, int when, tern_error *error)
{
    bench_reference reference = { 0 };
    bool made = false;
    for (int i = 0; i < lanes->count && !error->code; i++) {
        bench_lane *lane = &lanes->lane[i];
        if (!lane->ready)
            continue;
        made = made || make_reference(lanes, lane, problem, &reference, error);
        if (!made)
            break;
        if (lane->peer) {
            bench_peer_lane_check(lanes, lane, when, &reference, NULL);
            continue;
        }
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

static bool time_lanes(bench_lanes *lanes, double deadline, tern_error *error)
{
    if (!lanes->suite->settings->once)
        return bench_rounds_run(lanes, deadline, error);
    for (int i = 0; i < lanes->count; i++) {
        bench_peer_times times;
        int count;
        if (lanes->lane[i].ready && lanes->lane[i].peer)
            bench_lane_run(lanes, &lanes->lane[i], false, &times, &count);
        else if (lanes->lane[i].ready)
            bench_row_run(&lanes->lane[i].row, NULL, NULL);
    }
    bench_lanes_skip_ready(lanes, "run once, not timed");
    return true;
}

/* Check, time, check again. */
static bool time_op_lanes(bench_lanes *lanes, const tern_problem *first, const tern_problem *last,
                          double deadline, tern_error *error)
{
    tern_error unchecked = { 0 };
    bool checks = !lanes->suite->settings->once;
    if (checks && !check_op(lanes, first, 0, &unchecked)) {
        bench_lanes_skip_ready(lanes, unchecked.message);
        return true;
    }
    bool ok = time_lanes(lanes, deadline, error);
    if (ok && checks && !bench_is_stopped(lanes->suite) && !check_op(lanes, last, 1, &unchecked))
        bench_lanes_skip_ready(lanes, unchecked.message);
    return ok;
}

static bool time_op(bench_suite *suite, const bench_case *of, bench_pass pass, double deadline,
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
             time_op_lanes(&lanes, &first, &last, deadline, error);
    bench_lanes_close(&lanes);
    tern_problem_free(&first);
    tern_problem_free(&last);
    return ok;
}

/* What the model should give, of one batch before it is timed and of another after. */
static bool make_model_reference(bench_model_reference *reference, bench_lanes *lanes, int when,
                                 tern_error *error)
{
    uint64_t seed = lanes->suite->settings->seed;
    const char *folder = bench_peers_folder(lanes->suite, error);
    return folder && bench_model_reference_make(reference, lanes->of->model,
                                                lanes->pass == BENCH_TRAIN, seed,
                                                seed + (uint64_t)when, folder,
                                                when ? "other" : "model", error);
}

static void check_model(bench_lanes *lanes, int when, const bench_model_reference *reference)
{
    for (int i = 0; i < lanes->count; i++)
        if (lanes->lane[i].ready)
            bench_peer_lane_check(lanes, &lanes->lane[i], when, NULL, reference);
}

static bool time_model(bench_suite *suite, const bench_case *of, bench_pass pass, double deadline,
                       tern_error *error)
{
    bench_model_reference first, last;
    bench_lanes lanes = { 0 };
    tern_error unchecked = { 0 };
    bool ok = bench_lanes_open(&lanes, suite, of, pass, NULL, error);
    bench_peer_lanes_start(&lanes);
    if (ok && make_model_reference(&first, &lanes, 0, &unchecked)) {
        bench_model_lanes_open(&lanes, &first);
        if (!suite->settings->once)
            check_model(&lanes, 0, &first);
        ok = time_lanes(&lanes, deadline, error);
        if (ok && !suite->settings->once && !bench_is_stopped(suite) &&
            make_model_reference(&last, &lanes, 1, &unchecked))
            check_model(&lanes, 1, &last);
    }
    if (unchecked.code)
        bench_lanes_skip_ready(&lanes, unchecked.message);
    bench_lanes_close(&lanes);
    return ok;
}

static void tell(const bench_suite *suite, int done, int all, const bench_case *of, bench_pass pass)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s %s %s", bench_pass_name(pass), bench_case_name(of),
             of->inputs, of->options);
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
    bool wanted = of->has_pass ? of->pass == (int)pass
                               : pass <= BENCH_BOTH && settings->passes[pass];
    return wanted && (of->model || pass == BENCH_FORWARD || has_gradient(of->op));
}

static int count_wanted(const bench_suite *suite)
{
    int count = 0;
    for (int i = 0; i < suite->cases->count; i++)
        for (int pass = 0; pass < BENCH_PASSES; pass++)
            count += bench_case_wants(&suite->cases->of[i], suite->settings, (bench_pass)pass);
    return count;
}

/* What is left of the budget is for all problems that are left.  Half of its share is a problem's
 * for measuring, since checks, contexts and ceilings take time too; after a whole share its
 * rounds end, with however few samples, so that a slow one leaves some for the others. */
static void share_budget(bench_suite *suite, int left, double deadline)
{
    suite->share = (deadline - bench_seconds()) / left;
    suite->rule = suite->settings->rule;
    suite->rule.seconds = fmin(suite->rule.seconds, suite->share / 2);
}

static bool time_cases(bench_suite *suite, tern_error *error)
{
    const bench_settings *settings = suite->settings;
    const bench_cases *cases = suite->cases;
    double deadline = settings->budget > 0 ? bench_seconds() + settings->budget : HUGE_VAL;
    int all = count_wanted(suite), done = 0;
    for (int i = 0; i < cases->count; i++)
        for (int number = 0; number < BENCH_PASSES; number++) {
            bench_pass pass = (bench_pass)number;
            const bench_case *of = &cases->of[i];
            if (!bench_case_wants(of, settings, pass))
                continue;
            tell(suite, done, all, of, pass);
            share_budget(suite, all - done++, deadline);
            bool ok = true, is_late = bench_seconds() > deadline;
            if (bench_is_stopped(suite))
                suite->interrupted = true;
            else if (is_late)
                ok = bench_lanes_skip(suite, of, pass, "the time budget was used up", error);
            else
                ok = of->model ? time_model(suite, of, pass, deadline, error)
                               : time_op(suite, of, pass, deadline, error);
            if (!ok)
                return false;
            if (!settings->once && !is_late)
                bench_ceilings_measure(&suite->ceilings, 0);
        }
    suite->interrupted = suite->interrupted || bench_is_stopped(suite);
    return true;
}

/* ------------------------------------------------- what is known at the end -- */

static void find_roof(const bench_suite *suite, bench_result *result)
{
    bench_work work = { .simd = *result->simd ? result->simd : NULL, .threads = result->threads,
                        .flops = result->executed, .bytes = result->bytes,
                        .working_set = result->bytes, .cold = result->cold };
    if (strcmp(result->device, "cpu") == 0)
        result->roof = bench_roofline(&suite->ceilings, &work);
}

static bool is_same_but_provider(const bench_result *a, const bench_result *b)
{
    return a->of == b->of && a->pass == b->pass && a->threads == b->threads &&
           a->cold == b->cold && (!*a->simd || strcmp(a->simd, b->simd) == 0);
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
    if (!bench_peers_open(suite, error) ||
        !bench_ceilings_open(&suite->ceilings, settings->threads, settings->thread_counts, error))
        return false;
    if (!settings->once)
        bench_ceilings_measure(&suite->ceilings, settings->ceilings);
    bool ok = time_cases(suite, error);
    bench_ceilings_close(&suite->ceilings);
    bench_peers_close(suite); /* whose time then counts as this program's */
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
    free(suite->peers);
    *suite = (bench_suite){ 0 };
}
