#include "bench/workload/worker.h"

#include "bench/measure/heap.h"
#include "bench/measure/machine.h"
#include "bench/measure/memory.h"
#include "core/params.h"
#include "core/threads.h"
#include "train/checkpoint.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The plan is built between the first two steps; from the third on nothing is new. */
enum { STEPS_BEFORE_ALLOCATIONS_END = 2, MOST_SAMPLES = 100000, LINE = 1200 };

typedef struct worker {
    const bench_model *model;
    bench_opts opts;
    bench_workload work;
    FILE *out;
    double *seconds;
    int64_t inferences;
    double train_flops, infer_flops;
    tern_memory_report memory; /* of a training step, or of an inference if there is none */
    uint64_t heap, context;    /* allocations during timed steps                          */
} worker;

static void answer(worker *w, json_t *reply)
{
    json_dumpf(reply, w->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', w->out);
    fflush(w->out);
    json_decref(reply);
}

static void train_once(worker *w)
{
    bench_workload_train(&w->work);
}

static void infer_once(worker *w)
{
    float logits[BENCH_CLASSES];
    bench_workload_infer(&w->work, 1, logits);
    w->inferences++;
}

/* Warms up, then `count` times `step`, of which `*done` were made before. */
static void timed(worker *w, void (*step)(worker *w), const int64_t *done, int count)
{
    do
        step(w);
    while (*done < STEPS_BEFORE_ALLOCATIONS_END && tern_ok(w->work.ctx));
    uint64_t heap = bench_heap_allocations();
    uint64_t context = tern_memory(w->work.ctx).host_allocations;
    for (int i = 0; i < count; i++) {
        double start = bench_seconds();
        step(w);
        w->seconds[i] = bench_seconds() - start;
    }
    w->heap += bench_heap_allocations() - heap;
    w->memory = tern_memory(w->work.ctx);
    w->context += w->memory.host_allocations - context;
    json_t *samples = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(samples, json_real(w->seconds[i]));
    int64_t growth = bench_peak_resident_bytes() - w->work.resident_bytes;
    if (tern_ok(w->work.ctx))
        answer(w, json_pack("{s:O, s:I}", "seconds", samples, "memory_growth",
                            (json_int_t)growth));
    json_decref(samples);
}

static void logits(worker *w, const char *path)
{
    float found[BENCH_MOST_ROWS * BENCH_CLASSES];
    int64_t rows = w->work.batch.rows;
    tern_checkpoint_load(w->work.ctx, path, NULL, NULL);
    bench_workload_infer(&w->work, rows, found);
    json_t *list = json_array();
    for (int64_t i = 0; i < rows * BENCH_CLASSES; i++)
        json_array_append_new(list, json_real(found[i]));
    if (tern_ok(w->work.ctx))
        answer(w, json_pack("{s:O}", "logits", list));
    json_decref(list);
}

static void end(worker *w)
{
    answer(w, json_pack(
        "{s:s, s:i, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:i}",
        "simd", tern_simd_level(w->work.ctx),
        "threads", tern_pool_threads(tern_ctx_pool(w->work.ctx)),
        "rows", (json_int_t)w->work.batch.rows,
        "parameters", (json_int_t)tern_param_elements(w->work.ctx),
        "train_flops", w->train_flops, "infer_flops", w->infer_flops,
        "arena_bytes", (json_int_t)w->memory.arena_bytes,
        "unplanned_bytes", (json_int_t)w->memory.unplanned_bytes,
        "parameter_bytes", (json_int_t)w->memory.param_bytes,
        "heap_allocations", (json_int_t)w->heap, "context_allocations", (json_int_t)w->context,
        "involuntary_switches", (int)bench_involuntary_switches()));
}

/* A model that can do so; one that only infers is replaced. */
static bool make_model(worker *w, bool to_train, tern_error *error)
{
    int64_t resident_bytes = w->work.resident_bytes;
    if (w->work.ctx && (!to_train || !w->opts.inference_only))
        return true;
    if (w->work.ctx)
        bench_workload_close(&w->work);
    w->opts.inference_only = !to_train;
    bool ok = bench_workload_open(&w->work, w->model, &w->opts, error);
    if (resident_bytes)
        w->work.resident_bytes = resident_bytes;
    return ok;
}

static bool obey(worker *w, const char *line, tern_error *error)
{
    int count;
    char path[LINE];
    if (!make_model(w, strncmp(line, "train", 5) == 0, error))
        return false;
    if (sscanf(line, "train %d", &count) == 1 && count > 0 && count <= MOST_SAMPLES) {
        timed(w, train_once, &w->work.step, count);
        w->train_flops = 3 * w->work.forward_flops;
    } else if (sscanf(line, "infer %d", &count) == 1 && count > 0 && count <= MOST_SAMPLES) {
        timed(w, infer_once, &w->inferences, count);
        w->infer_flops = w->work.forward_flops;
    } else if (sscanf(line, "logits %1199[^\n]", path) == 1) {
        logits(w, path);
    } else {
        return tern_error_set(error, TERN_ERR_ARGUMENT, "no such command: %s", line);
    }
    if (!tern_ok(w->work.ctx))
        *error = *tern_ctx_error(w->work.ctx);
    return tern_ok(w->work.ctx);
}

bool bench_worker_serve(const bench_model *model, const bench_opts *opts, FILE *in, FILE *out)
{
    worker w = { .model = model, .opts = *opts, .out = out,
                 .seconds = malloc(MOST_SAMPLES * sizeof *w.seconds) };
    tern_error error = { 0 };
    char line[LINE];
    bool ok = w.seconds != NULL;
    while (ok && fgets(line, sizeof line, in) && strcmp(line, "end\n") != 0)
        ok = obey(&w, line, &error);
    if (ok && make_model(&w, false, &error))
        end(&w);
    else
        answer(&w, json_pack("{s:s}", "error", error.code ? error.message : "out of memory"));
    bench_workload_close(&w.work);
    free(w.seconds);
    return ok;
}
