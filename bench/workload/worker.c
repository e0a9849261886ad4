#include "bench/workload/worker.h"

#include "bench/measure/machine.h"
#include "bench/measure/memory.h"
#include "core/params.h"
#include "core/threads.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The plan is built between the first two steps; from the third on nothing is new. */
enum { STEPS_BEFORE_ALLOCATIONS_END = 2, MOST_SAMPLES = 100000 };

typedef struct worker {
    bench_trimodal work;
    FILE *out;
    double *seconds;
    double train_flops, infer_flops;
    int64_t peak_bytes;            /* of the process, once it has trained                */
    tern_memory_report memory;     /* of a training step                                 */
    uint64_t heap, context;        /* allocations during timed training steps            */
} worker;

static void answer(worker *w, json_t *reply)
{
    json_dumpf(reply, w->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', w->out);
    fflush(w->out);
    json_decref(reply);
}

static void answer_seconds(worker *w, int count)
{
    json_t *samples = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(samples, json_real(w->seconds[i]));
    answer(w, json_pack("{s:o}", "seconds", samples));
}

static void train(worker *w, int count)
{
    do
        bench_trimodal_train(&w->work);
    while (w->work.step < STEPS_BEFORE_ALLOCATIONS_END);
    uint64_t heap = bench_heap_allocations();
    uint64_t context = tern_memory(w->work.ctx).host_allocations;
    for (int i = 0; i < count; i++) {
        double start = bench_seconds();
        bench_trimodal_train(&w->work);
        w->seconds[i] = bench_seconds() - start;
    }
    w->heap += bench_heap_allocations() - heap;
    w->memory = tern_memory(w->work.ctx);
    w->context += w->memory.host_allocations - context;
    w->train_flops = 3 * w->work.forward_flops;
    w->peak_bytes = bench_peak_resident_bytes();
    answer_seconds(w, count);
}

static void infer(worker *w, int count)
{
    float logits[BENCH_CLASSES];
    for (int i = -1; i < count; i++) { /* -1 warms up */
        double start = bench_seconds();
        bench_trimodal_infer(&w->work, 1, logits);
        if (i >= 0)
            w->seconds[i] = bench_seconds() - start;
    }
    w->infer_flops = w->work.forward_flops;
    answer_seconds(w, count);
}

static void end(worker *w)
{
    answer(w, json_pack(
        "{s:s, s:i, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:i}",
        "simd", tern_simd_level(w->work.ctx),
        "threads", tern_pool_threads(tern_ctx_pool(w->work.ctx)),
        "parameters", (json_int_t)tern_param_elements(w->work.ctx),
        "train_flops", w->train_flops, "infer_flops", w->infer_flops,
        "memory_growth", (json_int_t)(w->peak_bytes - w->work.resident_bytes),
        "arena_bytes", (json_int_t)w->memory.arena_bytes,
        "unplanned_bytes", (json_int_t)w->memory.unplanned_bytes,
        "parameter_bytes", (json_int_t)w->memory.param_bytes,
        "heap_allocations", (json_int_t)w->heap, "context_allocations", (json_int_t)w->context,
        "involuntary_switches", (int)bench_involuntary_switches()));
}

bool bench_worker_serve(const bench_trimodal_opts *opts, FILE *in, FILE *out)
{
    worker w = { .out = out, .seconds = malloc(MOST_SAMPLES * sizeof *w.seconds) };
    tern_error error = { 0 };
    char line[64];
    int count;
    bool ok = w.seconds && bench_trimodal_open(&w.work, opts, &error);
    while (ok && fgets(line, sizeof line, in) && strcmp(line, "end\n") != 0) {
        if (sscanf(line, "train %d", &count) == 1 && count > 0 && count <= MOST_SAMPLES)
            train(&w, count);
        else if (sscanf(line, "infer %d", &count) == 1 && count > 0 && count <= MOST_SAMPLES)
            infer(&w, count);
        else
            ok = tern_error_set(&error, TERN_ERR_ARGUMENT, "no such command: %s", line);
        if (!tern_ok(w.work.ctx)) {
            error = *tern_ctx_error(w.work.ctx);
            ok = false;
        }
    }
    if (ok)
        end(&w);
    else
        answer(&w, json_pack("{s:s}", "error", error.code ? error.message : "out of memory"));
    bench_trimodal_close(&w.work);
    free(w.seconds);
    return ok;
}
