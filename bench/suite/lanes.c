#include "bench/suite/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/build.h"
#include "core/registry.h"
#include "kernels/table.h"

enum { WARMING_RUNS = 3, RUNS_OF_A_MODEL = 3 /* in a turn */ };

/* A process that slept has a core, caches and threads to find first; after 2 ms small models were
 * still 5 % slower and several times as noisy. */
static const double TURN_WARM_UP_SECONDS = 10e-3;

/* ------------------------------------------------------------ contexts -- */

static tern_ctx *open_ctx(const bench_settings *settings, int threads, const char *simd,
                          tern_error *error)
{
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = settings->device, .threads = threads,
                                               .simd = simd }, error);
    if (ctx && settings->prepare)
        settings->prepare(ctx, settings->user);
    if (ctx && !tern_ok(ctx)) {
        *error = *tern_ctx_error(ctx);
        tern_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}

int bench_providers_of(const tern_op *op, const bench_settings *settings,
                       char names[BENCH_LIST][BENCH_NAME], tern_error *error)
{
    int count = 0;
    tern_ctx *ctx = open_ctx(settings, 1, NULL, error);
    const tern_impl *impl;
    for (int i = 0; ctx && (impl = tern_impl_at(ctx, i)); i++) {
        bool is_new = strcmp(impl->op, op->name) == 0 &&
                      strcmp(impl->backend, tern_device(ctx)) == 0;
        for (int j = 0; j < count; j++)
            is_new = is_new && strcmp(names[j], impl->provider) != 0;
        if (is_new && count < BENCH_LIST)
            snprintf(names[count++], BENCH_NAME, "%.*s", BENCH_NAME - 1, impl->provider);
    }
    tern_ctx_free(ctx);
    return count;
}

/* ------------------------------------------------------------- results -- */

static bool wants_provider(const bench_settings *settings, const char *provider)
{
    for (int i = 0; i < BENCH_LIST && settings->providers[i]; i++)
        if (strcmp(settings->providers[i], provider) == 0)
            return true;
    return !settings->providers[0];
}

static int add_result(bench_suite *suite, const bench_result *made, tern_error *error)
{
    bench_result *grown = realloc(suite->results, (size_t)(suite->count + 1) * sizeof *grown);
    if (!grown) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for the results");
        return -1;
    }
    suite->results = grown;
    grown[suite->count] = *made;
    return suite->count++;
}

/* Both results of a lane; false without memory. */
static bool add_results(bench_lanes *lanes, bench_lane *lane, const char *provider, int threads,
                        const char *simd, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    bench_result made = { .of = lanes->of, .pass = lanes->pass, .threads = threads,
                          .device = settings->device ? settings->device : "cpu",
                          .memory_growth = -1, .allocations = -1 };
    bool hot = settings->hot || lanes->of->model, cold = settings->cold && !lanes->of->model;
    snprintf(made.provider, sizeof made.provider, "%.*s", BENCH_NAME - 1, provider);
    snprintf(made.simd, sizeof made.simd, "%.*s", BENCH_NAME - 1, simd ? simd : "");
    lane->hot = lane->cold = -1;
    if (hot && (lane->hot = add_result(lanes->suite, &made, error)) < 0)
        return false;
    made.cold = true;
    return !cold || (lane->cold = add_result(lanes->suite, &made, error)) >= 0;
}

static void skip_result(bench_suite *suite, int number, const char *why)
{
    if (number < 0)
        return;
    bench_result *result = &suite->results[number];
    result->skipped = true;
    snprintf(result->why, sizeof result->why, "%.*s", BENCH_WHY - 1, why);
}

void bench_lane_skip(bench_lanes *lanes, bench_lane *lane, const char *why)
{
    if (lane->ctx && !tern_ok(lane->ctx))
        why = tern_ctx_error(lane->ctx)->message;
    skip_result(lanes->suite, lane->hot, why);
    skip_result(lanes->suite, lane->cold, why);
    lane->ready = false;
}

void bench_lane_fail(bench_lanes *lanes, bench_lane *lane, const char *why)
{
    const bench_settings *settings = lanes->suite->settings;
    bool stopped = settings->stop && settings->stop(settings->user);
    bench_lane_skip(lanes, lane, stopped ? "interrupted" : why);
    for (int i = 0; i < 2; i++) {
        int number = i ? lane->cold : lane->hot;
        if (number >= 0)
            lanes->suite->results[number].failed = !stopped;
    }
}

void bench_lanes_skip_ready(bench_lanes *lanes, const char *why)
{
    for (int i = 0; i < lanes->count; i++)
        if (lanes->lane[i].ready)
            bench_lane_skip(lanes, &lanes->lane[i], why);
}

/* --------------------------------------------------------------- lanes -- */

/* The implementation's own text may go with its plugin. */
static void note_flags(bench_lanes *lanes, const bench_lane *lane)
{
    const tern_impl *impl = tern_find_impl(lane->ctx, lanes->of->op);
    const char *flags = impl ? bench_impl_flags(impl, tern_simd_level(lane->ctx)) : NULL;
    const int results[] = { lane->hot, lane->cold };
    for (int i = 0; flags && i < 2; i++)
        if (results[i] >= 0)
            lanes->suite->results[results[i]].flags = strdup(flags);
}

static void open_lane(bench_lanes *lanes, bench_lane *lane, const char *provider, int threads,
                      const char *simd, const tern_problem *problem)
{
    tern_error error = { 0 };
    lane->ctx = open_ctx(lanes->suite->settings, threads, simd, &error);
    if (!lane->ctx) {
        bench_lane_skip(lanes, lane, error.message);
        return;
    }
    if (strcmp(provider, "hand") != 0)
        tern_set_provider(lane->ctx, lanes->of->op->name, provider);
    bench_row_open(&lane->row, lane->ctx, problem, lanes->pass, lanes->of->gradients);
    for (int i = 0; i < WARMING_RUNS && tern_ok(lane->ctx); i++)
        bench_row_run(&lane->row, NULL, NULL);
    lane->ready = tern_ok(lane->ctx);
    note_flags(lanes, lane);
    if (lane->ready && lane->cold >= 0)
        lane->evictor = bench_evictor_new(tern_ctx_pool(lane->ctx), &error);
    if (!lane->ready || error.code)
        bench_lane_skip(lanes, lane, error.message);
}

/* The op's smallest problem, which samples to be checked are. */
static bool make_sample(tern_problem *problem, const tern_op *op, tern_error *error)
{
    const tern_sample *sample = op->samples;
    while (sample && sample->uses && !(sample->uses & TERN_SAMPLE_CHECK))
        sample++;
    return sample && sample->uses &&
           tern_problem_make(problem, op, sample->inputs, sample->options, 1, error);
}

void bench_lane_try(bench_lanes *lanes, bench_lane *lane)
{
    int number = lane->hot >= 0 ? lane->hot : lane->cold;
    bench_result kept = lanes->suite->results[number];
    tern_problem problem = { 0 };
    tern_error error = { 0 };
    bench_pass pass = lanes->pass;
    if (lane->is_peer) {
        bench_peer_lane_try(lanes, lane);
        return;
    }
    if (make_sample(&problem, lanes->of->op, &error)) {
        lanes->pass = BENCH_FORWARD;
        open_lane(lanes, lane, kept.provider, kept.threads, *kept.simd ? kept.simd : NULL,
                  &problem);
        lanes->pass = pass;
        tern_problem_free(&problem);
    }
}

/* With its results; NULL without memory. */
static bench_lane *add_lane(bench_lanes *lanes, const char *provider, int threads,
                            const char *simd, tern_error *error)
{
    bench_lane *grown = realloc(lanes->lane, (size_t)(lanes->count + 1) * sizeof *grown);
    if (!grown) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a row");
        return NULL;
    }
    lanes->lane = grown;
    bench_lane *lane = &grown[lanes->count++];
    *lane = (bench_lane){ .hot = -1, .cold = -1 };
    return add_results(lanes, lane, provider, threads, simd, error) ? lane : NULL;
}

/* One in another process: number is its place in settings.peers, -1 for tern's own. */
static bool add_peer_lane(bench_lanes *lanes, int number, int thread_number, const char *simd,
                          tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    bench_lane *lane = add_lane(lanes, number < 0 ? "hand" : settings->peers[number].name,
                                settings->threads[thread_number], simd, error);
    if (!lane)
        return false;
    lane->is_peer = true;
    lane->number = number;
    lane->thread_number = thread_number;
    lane->owns_peer = lanes->of->model != NULL;
    const char *flags = number < 0 ? bench_compile_flags("cpu", simd) : NULL;
    if (flags)
        lanes->suite->results[lane->hot].flags = strdup(flags);
    return true;
}

static bool is_asked(const bench_peer_given *peer, const bench_settings *settings,
                     const bench_case *of)
{
    return wants_provider(settings, peer->name) && !(of->model ? peer->no_models : peer->no_ops);
}

static bool add_peers(bench_lanes *lanes, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    bool is_cpu = !settings->device || strcmp(settings->device, "cpu") == 0;
    for (int t = 0; t < settings->thread_counts && is_cpu; t++)
        for (int p = 0; p < settings->peer_count; p++)
            if (is_asked(&settings->peers[p], settings, lanes->of) &&
                !add_peer_lane(lanes, p, t, NULL, error))
                return false;
    return true;
}

static bool add_model_lanes(bench_lanes *lanes, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    const char *levels[4];
    const char *best = tern_simd_levels(levels) ? levels[0] : NULL;
    for (int t = 0; t < settings->thread_counts; t++)
        for (int s = 0; s == 0 || (s < BENCH_LIST && settings->simd[s]); s++)
            if (wants_provider(settings, "hand") &&
                !add_peer_lane(lanes, -1, t, settings->simd[s] ? settings->simd[s] : best, error))
                return false;
    return true;
}

/* problem NULL: results only. */
static bool add_op_lanes(bench_lanes *lanes, const tern_problem *problem, tern_error *error)
{
    const bench_settings *settings = lanes->suite->settings;
    const char *levels[4];
    char providers[BENCH_LIST][BENCH_NAME];
    int count = bench_providers_of(lanes->of->op, settings, providers, error);
    int level_count = tern_simd_levels(levels);
    const char *best = level_count ? levels[0] : NULL;
    for (int t = 0; t < settings->thread_counts; t++)
        for (int s = 0; s == 0 || (s < BENCH_LIST && settings->simd[s]); s++) {
            const char *simd = settings->simd[s] ? settings->simd[s] : best;
            for (int p = 0; p < count; p++) {
                /* Another library takes the best level there is. */
                bool fits = strcmp(providers[p], "hand") == 0 || !simd || strcmp(simd, best) == 0;
                if (!fits || !wants_provider(settings, providers[p]))
                    continue;
                bench_lane *lane = add_lane(lanes, providers[p], settings->threads[t], simd,
                                            error);
                if (!lane)
                    return false;
                if (problem)
                    open_lane(lanes, lane, providers[p], settings->threads[t], simd, problem);
            }
        }
    return !error->code;
}

static bool add_lanes(bench_lanes *lanes, const tern_problem *problem, tern_error *error)
{
    return (lanes->of->model ? add_model_lanes(lanes, error)
                             : add_op_lanes(lanes, problem, error)) &&
           add_peers(lanes, error);
}

bool bench_lanes_open(bench_lanes *lanes, bench_suite *suite, const bench_case *of,
                      bench_pass pass, const tern_problem *problem, tern_error *error)
{
    *lanes = (bench_lanes){ .suite = suite, .of = of, .pass = pass };
    if (!add_lanes(lanes, problem, error))
        return false;
    if (!problem)
        return true;
    bench_peer_lanes_start(lanes);
    return bench_op_peers_open(lanes, problem, error);
}

bool bench_lanes_skip(bench_suite *suite, const bench_case *of, bench_pass pass, const char *why,
                      tern_error *error)
{
    bench_lanes lanes = { .suite = suite, .of = of, .pass = pass };
    bool ok = add_lanes(&lanes, NULL, error);
    for (int i = 0; i < lanes.count; i++)
        bench_lane_skip(&lanes, &lanes.lane[i], why);
    bench_lanes_close(&lanes);
    return ok;
}

static void close_lane(bench_lane *lane)
{
    bench_evictor_free(lane->evictor);
    bench_row_close(&lane->row);
    tern_ctx_free(lane->ctx);
    if (lane->owns_peer)
        bench_peer_end(lane->peer);
    else if (lane->peer)
        bench_peer_close(lane->peer);
}

void bench_lanes_close(bench_lanes *lanes)
{
    for (int i = 0; i < lanes->count; i++)
        close_lane(&lanes->lane[i]);
    close_lane(&lanes->guide);
    free(lanes->lane);
    *lanes = (bench_lanes){ 0 };
}

/* --------------------------------------------------------------- a run -- */

static void empty_caches(void *user)
{
    bench_lane *lane = user;
    bench_buffer buffers[TERN_MAX_ARGS + 1];
    int count = 0;
    for (int i = 0; i < TERN_MAX_ARGS; i++)
        if (lane->row.inputs[i])
            buffers[count++] = (bench_buffer){ lane->row.inputs[i]->data,
                                               tern_tensor_bytes(lane->row.inputs[i]) };
    buffers[count].data = tern_step_memory(lane->ctx, &buffers[count].bytes);
    bench_evict(lane->evictor, buffers, count + 1);
}

static bool run_peer(bench_lanes *lanes, bench_lane *lane, bool cold, bench_peer_times *times,
                     int *count)
{
    tern_error error = { 0 };
    *count = lanes->of->model ? RUNS_OF_A_MODEL : 1;
    if (bench_peer_run(lane->peer, (bench_peer_turn){ *count, TURN_WARM_UP_SECONDS, cold }, times,
                       &error))
        return true;
    bench_lane_fail(lanes, lane, error.message);
    return false;
}

bool bench_lane_run(bench_lanes *lanes, bench_lane *lane, bool cold, bench_peer_times *times,
                    int *count)
{
    *times = (bench_peer_times){ .memory_growth = -1, .allocations = -1 };
    *count = 1;
    if (lane->peer)
        return run_peer(lanes, lane, cold, times, count);
    if (!cold)
        bench_row_run(&lane->row, NULL, NULL);
    times->seconds[0] = bench_row_run(&lane->row, cold ? empty_caches : NULL, lane);
    times->left_out = bench_row_left_out(&lane->row);
    lane->flops = lane->row.flops;
    lane->executed = lane->row.executed;
    lane->bytes = lane->row.bytes;
    if (!tern_ok(lane->ctx))
        bench_lane_skip(lanes, lane, "");
    return lane->ready;
}
