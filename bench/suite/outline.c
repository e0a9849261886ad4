#include "bench/suite/outline.h"

#include <math.h>

#include "bench/measure/memory.h"
#include "bench/suite/check.h"
#include "bench/suite/lanes.h"
#include "bench/workload/workload.h"
#include "core/registry.h"
#include "kernels/table.h"

/* Of the system's memory, what others may need meanwhile is left. */
static const double PART_OF_MEMORY = 0.8;

/* ------------------------------------------------------------- one problem -- */

/* One step with the op in it, in which nothing is computed. */
static void apply(tern_ctx *ctx, const tern_problem *problem, bench_pass pass)
{
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    tern_set_training(ctx, true);
    tern_set_recording(ctx, pass != BENCH_FORWARD);
    tern_step_begin(ctx, 0);
    tern_problem_upload(ctx, problem, pass != BENCH_FORWARD, in);
    tern_problem_apply(ctx, problem, in, out);
    bool any = false;
    for (int i = 0; i < TERN_MAX_SAVED && tern_ok(ctx); i++)
        if (out[i] && out[i]->requires_grad) {
            tern_seed_grad(ctx, out[i], TERN_F32, NULL);
            any = true;
        }
    if (any)
        tern_backward(ctx, NULL);
}

static double input_elements(const tern_problem *problem)
{
    double all = 0;
    for (int i = 0; i < problem->count; i++)
        if (problem->inputs[i].present)
            all += (double)problem->inputs[i].count;
    return all;
}

/* Two problems of doubles; a step of ref's and the values kept of it, of the part that is
 * checked; and of each row a step and the inputs, which it keeps beside that. */
static double memory_of(const tern_problem *problem, double step_bytes, double part, int rows)
{
    double inputs = input_elements(problem);
    return 2 * 8 * inputs + 3 * step_bytes * part + rows * (step_bytes + 4 * inputs);
}

static void count(bench_outline *outline, const tern_ctx *ctx, bench_pass pass)
{
    if (pass != BENCH_BACKWARD) {
        outline->flops = tern_step_flops(ctx);
        outline->bytes = tern_step_bytes(ctx);
    }
    if (pass != BENCH_FORWARD) {
        outline->flops += tern_step_backward_flops(ctx);
        outline->bytes += tern_step_backward_bytes(ctx);
    }
}

static bool look_at(bench_outline *outline, const tern_ctx *ctx, const tern_problem *problem,
                    bench_pass pass, int rows, tern_error *error)
{
    const tern_problem_input *first = &problem->inputs[0];
    int64_t axis = first->present && first->rank ? first->shape[0] : 1;
    double available = (double)bench_available_bytes();
    count(outline, ctx, pass);
    double part = bench_checked_part(problem->op, axis, outline->flops, error);
    outline->memory = memory_of(problem, (double)tern_memory(ctx).arena_bytes, part, rows);
    if (available < 0 || outline->memory <= PART_OF_MEMORY * available)
        return part > 0;
    *error = (tern_error){ 0 };
    return tern_error_set(error, TERN_ERR_MEMORY,
                          "does not fit in memory: about %.1f GiB needed, %.1f GiB can be had",
                          outline->memory / 0x1p30, available / 0x1p30);
}

/* One process of it; parameters, and what its step takes. */
static bool outline_model(bench_outline *outline, const bench_model *model, bool trains,
                          tern_error *error)
{
    bench_workload work = { 0 };
    bench_opts opts = { .device = "meta", .seed = 1 };
    bool ok = bench_workload_open(&work, model, &opts, error);
    if (ok) {
        outline->flops = bench_workload_outline(&work, trains);
        tern_memory_report memory = tern_memory(work.ctx);
        outline->memory = (double)(memory.arena_bytes + memory.param_bytes);
        if (!(ok = tern_ok(work.ctx)))
            *error = *tern_ctx_error(work.ctx);
    }
    bench_workload_close(&work);
    return ok;
}

bool bench_outline_make(bench_outline *outline, const bench_settings *settings,
                        const bench_case *of, bench_pass pass, int rows, tern_error *error)
{
    tern_problem problem = { 0 };
    *outline = (bench_outline){ 0 };
    if (of->model)
        return outline_model(outline, of->model, pass == BENCH_TRAIN, error);
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, error);
    if (!ctx)
        return false;
    if (settings->prepare)
        settings->prepare(ctx, settings->user);
    if (tern_problem_outline(&problem, of->op, of->inputs, of->options, error)) {
        apply(ctx, &problem, pass);
        if (tern_ok(ctx))
            look_at(outline, ctx, &problem, pass, rows, error);
        else
            *error = *tern_ctx_error(ctx);
    }
    tern_problem_free(&problem);
    tern_ctx_free(ctx);
    return !error->code;
}

/* ------------------------------------------------------------------- rows -- */

static bool outline_case(bench_suite *suite, const bench_case *of, bench_pass pass,
                         tern_error *error)
{
    bench_lanes lanes;
    bench_outline outline;
    tern_error unfit = { 0 };
    int first = suite->count;
    bool ok = bench_lanes_open(&lanes, suite, of, pass, NULL, error);
    bench_outline_make(&outline, suite->settings, of, pass, lanes.count, &unfit);
    for (int i = first; i < suite->count; i++) {
        suite->results[i].flops = outline.flops;
        suite->results[i].bytes = outline.bytes;
        suite->results[i].memory = outline.memory;
    }
    for (int i = 0; i < lanes.count; i++)
        if (unfit.code)
            bench_lane_skip(&lanes, &lanes.lane[i], unfit.message);
        else
            bench_lane_try(&lanes, &lanes.lane[i]);
    bench_lanes_close(&lanes);
    return ok;
}

bool bench_suite_outline(bench_suite *suite, const bench_settings *settings,
                         const bench_cases *cases, tern_error *error)
{
    *suite = (bench_suite){ .settings = settings, .cases = cases };
    if (!bench_peers_open(suite, error))
        return false;
    bool ok = true;
    for (int i = 0; i < cases->count && ok; i++)
        for (int pass = 0; pass < BENCH_PASSES && ok; pass++)
            if (bench_case_wants(&cases->of[i], settings, (bench_pass)pass) &&
                !outline_case(suite, &cases->of[i], (bench_pass)pass, error))
                ok = false;
    bench_peers_close(suite);
    return ok;
}

double bench_suite_longest(const bench_suite *suite)
{
    const bench_settings *settings = suite->settings;
    double ceilings = bench_ceilings_least_seconds(settings->thread_counts);
    double seconds = settings->ceilings + ceilings;
    const bench_result *last = NULL;
    for (int i = 0; i < suite->count; i++) {
        const bench_result *at = &suite->results[i];
        if (at->skipped || (last && last->of == at->of && last->pass == at->pass))
            continue;
        seconds += settings->rule.warm_up_seconds + settings->rule.seconds + ceilings;
        last = at;
    }
    return settings->budget > 0 ? fmin(settings->budget, seconds) : seconds;
}
