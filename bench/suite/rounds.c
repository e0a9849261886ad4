/* Turns in random order, until every row is known well enough. */
#include "bench/suite/rounds.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "bench/measure/machine.h"

/* Threads of what ran before spin for a while for more work; let them go to sleep.  Those of
 * another framework do so for milliseconds. */
static const double SETTLING_SECONDS = 150e-6, RESTING_SECONDS = 10e-3;

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

bool bench_is_stopped(const bench_suite *suite)
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

/* After a turn of that lane. */
static void settle(const bench_lane *lane)
{
    if (lane->peer) {
        nanosleep(&(struct timespec){ 0, (long)(RESTING_SECONDS * 1e9) }, NULL);
        return;
    }
    double until = bench_seconds() + SETTLING_SECONDS;
    while (bench_seconds() < until)
        continue;
}

static void add_sample(rounds *r, turn *at, double seconds)
{
    const bench_stop_rule *rule = &r->lanes->suite->rule;
    bench_result *result = &r->lanes->suite->results[at->result];
    if (!result->summary.count)
        at->since = bench_seconds();
    result->samples[result->summary.count++] = seconds;
    result->stop = bench_should_stop(rule, result->samples, result->summary.count,
                                     bench_seconds() - at->since, r->scratch);
}

static int64_t more(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take_turn(rounds *r, turn *at)
{
    bench_peer_times times;
    int count;
    bench_result *result = &r->lanes->suite->results[at->result];
    if (!bench_lane_run(r->lanes, at->lane, at->cold, &times, &count))
        return;
    for (int i = 0; i < count && result->stop == BENCH_GO_ON; i++)
        add_sample(r, at, times.seconds[i]);
    result->left_out += times.left_out;
    result->flops = at->lane->flops;
    result->executed = at->lane->executed;
    result->bytes = at->lane->bytes;
    result->memory_growth = more(result->memory_growth, times.memory_growth);
    result->allocations = more(result->allocations, times.allocations);
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
        if (bench_is_stopped(r->lanes->suite) || bench_seconds() > deadline)
            return false;
        if (has_ended(r, &r->turns[i]))
            continue;
        take_turn(r, &r->turns[i]);
        settle(r->turns[i].lane);
    }
    return any;
}

static void warm_up(rounds *r)
{
    const bench_suite *suite = r->lanes->suite;
    double start = bench_seconds();
    for (int calls = 0; !bench_is_stopped(suite) &&
                        !bench_is_warm(&suite->settings->rule, calls, bench_seconds() - start);
         calls++)
        for (int i = 0; i < r->count; i++) {
            bench_peer_times times;
            int count;
            if (r->turns[i].lane->ready)
                bench_lane_run(r->lanes, r->turns[i].lane, r->turns[i].cold, &times, &count);
        }
    if (r->count)
        settle(r->turns[r->count - 1].lane);
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
            result->stop = bench_is_stopped(suite) ? BENCH_STOP_INTERRUPTED : BENCH_STOP_TIME;
        if (!result->summary.count)
            bench_lane_skip(r->lanes, at->lane, bench_is_stopped(suite) ? "interrupted"
                                                                  : "no time was left");
    }
}

bool bench_rounds_run(bench_lanes *lanes, double deadline, tern_error *error)
{
    rounds r;
    bool ok = rounds_open(&r, lanes, error);
    if (ok) {
        warm_up(&r);
        double end = fmin(deadline, bench_seconds() + lanes->suite->share);
        while (run_round(&r, end))
            continue;
        end_rounds(&r);
    }
    rounds_close(&r);
    return ok;
}
