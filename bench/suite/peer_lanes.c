/* Lanes in other processes: what they are told, and how their results are held against those
 * that are wanted. */
#include "bench/suite/lanes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/table.h"

static const char *const endings[] = { "results", "first", "trained" };

/* "FOLDER/NAME"; false and an error without a folder. */
static bool name_file(bench_lanes *lanes, const char *name, char path[BENCH_PATH],
                      tern_error *error)
{
    const char *folder = bench_peers_folder(lanes->suite, error);
    if (folder)
        snprintf(path, BENCH_PATH, "%.*s/%s", BENCH_PATH - 128, folder, name);
    return folder != NULL;
}

/* ---------------------------------------------------------------- start -- */

static void start_lane(bench_lanes *lanes, bench_lane *lane)
{
    tern_error error = { 0 };
    bench_suite *suite = lanes->suite;
    const char *simd = suite->results[lane->hot >= 0 ? lane->hot : lane->cold].simd;
    lane->peer = lane->owns_peer
                     ? bench_peers_start(suite, lane->number,
                                         suite->settings->threads[lane->thread_number],
                                         *simd ? simd : NULL, &error)
                     : bench_peers_of_ops(suite, lane->number, lane->thread_number, &error);
    lane->ready = lane->peer != NULL;
    if (!lane->ready)
        bench_lane_fail(lanes, lane, error.message);
}

void bench_peer_lanes_start(bench_lanes *lanes)
{
    for (int i = 0; i < lanes->count; i++)
        if (lanes->lane[i].is_peer)
            start_lane(lanes, &lanes->lane[i]);
}

void bench_peer_lane_try(bench_lanes *lanes, bench_lane *lane)
{
    tern_error error = { 0 };
    lane->owns_peer = lane->number < 0; /* one of each peer is enough */
    start_lane(lanes, lane);
    if (lane->ready && !bench_peer_wait(lane->peer, &error))
        bench_lane_fail(lanes, lane, error.message);
}

/* ----------------------------------------------------------------- open -- */

/* Takes what the peer is told. */
static void open_lane(bench_lanes *lanes, bench_lane *lane, json_t *told)
{
    tern_error error = { 0 };
    bool ok = bench_peer_open(lane->peer, told, &error);
    bool flushes = bench_peers_heard(lanes->suite, lane->number, lane->peer);
    if (!ok && error.code == TERN_ERR_MISSING)
        bench_lane_skip(lanes, lane, error.message);
    else if (!ok)
        bench_lane_fail(lanes, lane, error.message);
    else if (lane->cold >= 0 && !flushes) {
        bench_lane only_cold = { .hot = -1, .cold = lane->cold };
        bench_lane_skip(lanes, &only_cold, "cannot: it does not say how it empties the caches");
        lane->cold = -1;
    }
}

static json_t *op_told(const bench_lanes *lanes, const char *inputs)
{
    const bench_case *of = lanes->of;
    const bench_row *row = &lanes->guide.row;
    json_t *gradients = json_array();
    for (int i = 0; i < row->problem->count; i++)
        if (row->inputs[i] && row->inputs[i]->requires_grad)
            json_array_append_new(gradients, json_string(row->problem->inputs[i].name));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "op", of->op->name, "options", of->options,
                     "pass", bench_pass_name(lanes->pass), "inputs", inputs, "gradients",
                     gradients);
}

/* A context in which the op has been run once, so that its outputs are known. */
static bool open_guide(bench_lanes *lanes, const tern_problem *problem, tern_error *error)
{
    bench_lane *guide = &lanes->guide;
    guide->ctx = tern_open((tern_ctx_opts){ .threads = 1 }, error);
    if (!guide->ctx)
        return false;
    if (lanes->suite->settings->prepare)
        lanes->suite->settings->prepare(guide->ctx, lanes->suite->settings->user);
    bench_row_open(&guide->row, guide->ctx, problem, lanes->pass, lanes->of->gradients);
    bench_row_run(&guide->row, NULL, NULL);
    if (!tern_ok(guide->ctx))
        *error = *tern_ctx_error(guide->ctx);
    return tern_ok(guide->ctx);
}

bool bench_op_peers_write(bench_lanes *lanes, const tern_problem *problem,
                          const bench_reference *reference, tern_error *error)
{
    char path[BENCH_PATH];
    return name_file(lanes, reference ? "check.safetensors" : "inputs.safetensors", path, error) &&
           bench_peer_files_write(path, problem, &lanes->guide.row, reference, error);
}

bool bench_op_peers_open(bench_lanes *lanes, const tern_problem *problem, tern_error *error)
{
    char inputs[BENCH_PATH];
    tern_error untold = { 0 };
    int first = 0;
    while (first < lanes->count && !(lanes->lane[first].peer && lanes->lane[first].ready))
        first++;
    if (first == lanes->count)
        return true;
    bool ok = open_guide(lanes, problem, &untold) &&
              name_file(lanes, "inputs.safetensors", inputs, &untold) &&
              bench_op_peers_write(lanes, problem, NULL, &untold);
    for (int i = first; i < lanes->count; i++) {
        bench_lane *lane = &lanes->lane[i];
        if (!lane->peer || !lane->ready)
            continue;
        lane->flops = lane->executed = lanes->guide.row.flops;
        lane->bytes = lanes->guide.row.bytes;
        if (ok)
            open_lane(lanes, lane, op_told(lanes, inputs));
        else
            bench_lane_skip(lanes, lane, untold.message);
    }
    return untold.code != TERN_ERR_MEMORY || tern_error_set(error, untold.code, "%s",
                                                            untold.message);
}

void bench_model_lanes_open(bench_lanes *lanes, const bench_model_reference *reference)
{
    for (int i = 0; i < lanes->count; i++) {
        bench_lane *lane = &lanes->lane[i];
        if (!lane->ready)
            continue;
        lane->flops = reference->flops;
        lane->executed = lane->number < 0 ? reference->executed : reference->flops;
        open_lane(lanes, lane,
                  json_pack("{s:s, s:s, s:s, s:s, s:f}", "model", reference->model->name, "pass",
                            bench_pass_name(lanes->pass), "batch", reference->batch, "weights",
                            reference->weights, "dropout", lanes->suite->settings->dropout));
    }
}

/* ---------------------------------------------------------------- check -- */

/* The worst part of what is allowed; the reason, if there is more to say, is in error. */
static double held_against(bench_lanes *lanes, bench_lane *lane, const bench_reference *op,
                           const bench_model_reference *model, tern_error *error)
{
    char given[BENCH_PATH], into[BENCH_PATH], path[BENCH_PATH + 32];
    double distances[BENCH_DISTANCES] = { 0 };
    if (!name_file(lanes, "check.safetensors", given, error) ||
        !name_file(lanes, "found", into, error))
        return NAN;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s.%s.safetensors", into, endings[i]);
        unlink(path); /* of another lane */
    }
    if (!bench_peer_check(lane->peer, model ? "batch" : "inputs", model ? model->batch : given,
                          into, error))
        return NAN;
    snprintf(path, sizeof path, "%s.results.safetensors", into);
    if (op)
        return bench_reference_compare_file(op, &lanes->guide.row, path, error);
    double worst = bench_model_reference_compare(model, into, distances, error);
    bench_result *result = &lanes->suite->results[lane->hot];
    for (int i = 0; i < BENCH_DISTANCES; i++)
        result->distances[i] = fmax(result->distances[i], distances[i]);
    return worst;
}

/* "logits 3e-02", the distance that is farthest beyond what is allowed. */
static void tell_wrong(const bench_lanes *lanes, const bench_lane *lane, double part,
                       char why[BENCH_WHY])
{
    const bench_result *result = &lanes->suite->results[lane->hot >= 0 ? lane->hot : lane->cold];
    int used = snprintf(why, BENCH_WHY, "WRONG VALUES, not timed: %.3g times as far from %s as is "
                        "allowed", part, lanes->of->model ? "tern's" : "ref's");
    for (int i = 0; i < BENCH_DISTANCES && lanes->of->model && used < BENCH_WHY; i++)
        if (result->distances[i] != 0)
            used += snprintf(why + used, (size_t)(BENCH_WHY - used), "; %s %.1e",
                             bench_distance_name((bench_distance)i), result->distances[i]);
}

void bench_peer_lane_check(bench_lanes *lanes, bench_lane *lane, int when,
                           const bench_reference *op, const bench_model_reference *model)
{
    tern_error error = { 0 };
    char why[BENCH_WHY];
    double part = held_against(lanes, lane, op, model, &error);
    if (error.code) {
        bench_lane_fail(lanes, lane, error.message);
        return;
    }
    if (lane->hot >= 0)
        lanes->suite->results[lane->hot].error[when] = part;
    if (lane->cold >= 0)
        lanes->suite->results[lane->cold].error[when] = part;
    if (when == 0 && !(part <= 1)) {
        tell_wrong(lanes, lane, part, why);
        bench_lane_fail(lanes, lane, why);
    }
}
