#include "bench/workload/serve.h"

#include "bench/measure/heap.h"
#include "bench/measure/machine.h"
#include "bench/measure/memory.h"
#include "bench/workload/reference.h"
#include "train/checkpoint.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The plan is built between the first two steps; from the third on nothing is new. */
enum { STEPS_BEFORE_ALLOCATIONS_END = 2, MOST_RUNS = 1000, NAME = 32 };

typedef struct server {
    int threads;
    char simd[NAME];
    const bench_model *model; /* NULL: no problem is open */
    bool trains;
    double dropout;
    char batch[BENCH_PATH], weights[BENCH_PATH];
    bench_workload work;    /* opened when first needed */
    int64_t resident_bytes; /* before it was first made */
    int steps;              /* done in it               */
} server;

/* -------------------------------------------------------------- running -- */

static void close_work(server *s)
{
    bench_workload_close(&s->work);
    s->steps = 0;
}

static bool open_work(server *s, const char *batch, double dropout, tern_error *error)
{
    bench_opts opts = { .threads = s->threads, .simd = *s->simd ? s->simd : NULL, .seed = 1,
                        .dropout = dropout, .batch = batch, .weights = s->weights,
                        .inference_only = !s->trains };
    bool ok = bench_workload_open(&s->work, s->model, &opts, error);
    if (!s->resident_bytes)
        s->resident_bytes = s->work.resident_bytes;
    return ok;
}

/* One step; false if what it gave is not a number. */
static bool step(server *s)
{
    float logits[BENCH_CLASSES] = { 0 };
    double sum = 0;
    s->steps++;
    if (s->trains)
        sum = bench_workload_train(&s->work);
    else
        bench_workload_infer(&s->work, 1, logits);
    for (int i = 0; i < BENCH_CLASSES; i++)
        sum += logits[i];
    return sum == sum;
}

static json_t *run(server *s, int count, double warm_up_seconds)
{
    json_t *seconds = json_array();
    int left_out = 0;
    double until = bench_seconds() + warm_up_seconds, start, times[MOST_RUNS];
    do
        step(s);
    while (tern_ok(s->work.ctx) &&
           (s->steps < STEPS_BEFORE_ALLOCATIONS_END || bench_seconds() < until));
    uint64_t heap = bench_heap_allocations();
    uint64_t context = tern_memory(s->work.ctx).host_allocations;
    for (int i = 0; i < count; i++) {
        start = bench_seconds();
        left_out += !step(s);
        times[i] = bench_seconds() - start;
    }
    uint64_t taken = bench_heap_allocations() - heap +
                     (tern_memory(s->work.ctx).host_allocations - context);
    for (int i = 0; i < count; i++)
        json_array_append_new(seconds, json_real(times[i]));
    return json_pack("{s:o, s:i, s:I, s:I}", "seconds", seconds, "left_out", left_out,
                     "memory_growth",
                     (json_int_t)(bench_peak_resident_bytes() - s->resident_bytes), "allocations",
                     (json_int_t)taken);
}

/* ------------------------------------------------------------- checking -- */

static bool write_results(const server *s, const char *into, const double *losses,
                          const float *logits, tern_error *error)
{
    char path[BENCH_PATH];
    int64_t steps = BENCH_COMPARED_STEPS, shape[] = { s->trains ? s->work.batch.rows : 1,
                                                      BENCH_CLASSES };
    snprintf(path, sizeof path, "%s.results.safetensors", into);
    tern_safetensors_writer *writer = tern_safetensors_create(path, error);
    if (!writer)
        return false;
    tern_safetensors_add(writer, "logits", TERN_F32, 2, shape, logits);
    if (s->trains)
        tern_safetensors_add(writer, "losses", TERN_F64, 1, &steps, losses);
    return tern_safetensors_finish(writer);
}

static void save(const server *s, const char *into, const char *end,
                 const tern_optimiser *optimiser)
{
    char path[BENCH_PATH];
    snprintf(path, sizeof path, "%s.%s.safetensors", into, end);
    tern_checkpoint_save(s->work.ctx, path, optimiser, &(tern_checkpoint_info){ 0 });
}

/* In a model of its own, so that what is timed begins anew. */
static bool check(server *s, const char *batch, const char *into, tern_error *error)
{
    float logits[BENCH_MOST_ROWS * BENCH_CLASSES];
    double losses[BENCH_COMPARED_STEPS];
    close_work(s);
    bool ok = open_work(s, batch, 0, error);
    for (int i = 0; ok && s->trains && i < BENCH_COMPARED_STEPS; i++) {
        losses[i] = bench_workload_train(&s->work);
        if (i == 0)
            save(s, into, "first", &s->work.optimiser);
    }
    if (ok) {
        if (s->trains)
            save(s, into, "trained", NULL);
        bench_workload_infer(&s->work, s->trains ? s->work.batch.rows : 1, logits);
        if (!(ok = tern_ok(s->work.ctx)))
            *error = *tern_ctx_error(s->work.ctx);
    }
    ok = ok && write_results(s, into, losses, logits, error);
    close_work(s);
    return ok;
}

/* ------------------------------------------------------------- commands -- */

static const char *text_of(const json_t *question, const char *key)
{
    const char *text = json_string_value(json_object_get(question, key));
    return text ? text : "";
}

static json_t *open_problem(server *s, const json_t *question, tern_error *error)
{
    const char *op = text_of(question, "op"), *pass = text_of(question, "pass");
    close_work(s);
    if (*op)
        return json_pack("{s:s}", "cannot", "ops are timed without another process");
    s->model = bench_model_find(text_of(question, "model"), error);
    s->trains = strcmp(pass, "train") == 0;
    s->dropout = json_number_value(json_object_get(question, "dropout"));
    snprintf(s->batch, sizeof s->batch, "%s", text_of(question, "batch"));
    snprintf(s->weights, sizeof s->weights, "%s", text_of(question, "weights"));
    if (s->model && !s->trains && strcmp(pass, "infer") != 0)
        tern_error_set(error, TERN_ERR_ARGUMENT, "a model's pass is infer or train, not %s", pass);
    return error->code ? NULL : json_object();
}

static json_t *run_problem(server *s, const json_t *question, tern_error *error)
{
    int count = (int)json_integer_value(json_object_get(question, "count"));
    double warm_up = json_number_value(json_object_get(question, "warm_up_seconds"));
    if (count < 1 || count > MOST_RUNS || json_is_true(json_object_get(question, "cold"))) {
        tern_error_set(error, TERN_ERR_ARGUMENT, "1 to %d runs can be asked for, none of them cold",
                       MOST_RUNS);
        return NULL;
    }
    if (!s->work.ctx) {
        if (!open_work(s, s->batch, s->dropout, error))
            return NULL;
        bench_forget_peak();
    }
    json_t *reply = run(s, count, warm_up);
    if (tern_ok(s->work.ctx))
        return reply;
    *error = *tern_ctx_error(s->work.ctx);
    json_decref(reply);
    return NULL;
}

static json_t *start(server *s, const json_t *question)
{
    s->threads = (int)json_integer_value(json_object_get(question, "threads"));
    snprintf(s->simd, sizeof s->simd, "%s", text_of(question, "simd"));
    return json_pack("{s:s}", "about", "tern " TERN_VERSION);
}

/* NULL and an error, or what is answered. */
static json_t *obey(server *s, const json_t *question, tern_error *error)
{
    const char *what = text_of(question, "do");
    if (strcmp(what, "start") == 0)
        return start(s, question);
    if (strcmp(what, "open") == 0)
        return open_problem(s, question, error);
    if (s->model && strcmp(what, "check") == 0)
        return check(s, text_of(question, "batch"), text_of(question, "into"), error)
                   ? json_object() : NULL;
    if (s->model && strcmp(what, "run") == 0)
        return run_problem(s, question, error);
    if (strcmp(what, "close") == 0) {
        close_work(s);
        return json_object();
    }
    tern_error_set(error, TERN_ERR_ARGUMENT, "there is nothing to do for \"%s\" now", what);
    return NULL;
}

bool bench_serve(FILE *in, FILE *out)
{
    server s = { 0 };
    tern_error error = { 0 };
    char *line = NULL;
    size_t size = 0;
    bool ended = false;
    while (!error.code && !ended && getline(&line, &size, in) > 0) {
        json_t *question = json_loads(line, 0, NULL), *reply = NULL;
        ended = strcmp(text_of(question, "do"), "end") == 0;
        if (!ended)
            reply = obey(&s, question, &error);
        if (error.code)
            reply = json_pack("{s:s}", "error", error.message);
        if (reply) {
            json_dumpf(reply, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
            fputc('\n', out);
            fflush(out);
        }
        json_decref(reply);
        json_decref(question);
    }
    close_work(&s);
    free(line);
    return !error.code;
}
