/* How long whole models take to answer and to train, and in what memory.
 *
 *     build/bench/models [options]
 *
 * The models are bench/workload's.  Each, on each number of threads, is timed in a process
 * of its own, so that the growth of memory is its own too: the most that was ever resident
 * less what was before the model was made, the batch being there already.  All times are
 * hot: the same batch, step after step.  A training step is counted as three times the
 * FLOPs of its forward pass; an update of all parameters is not counted.  No memory may be
 * allocated in a timed step.
 */
#include "bench/measure/machine.h"
#include "bench/measure/statistics.h"
#include "bench/workload/save.h"
#include "bench/workload/worker.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_THREAD_COUNTS = 8, INFERENCES_PER_STEP = 5, MODES = 2 };

static const char *const modes[MODES] = { "infer", "train" };

typedef struct options {
    int repeat, thread_counts[MOST_THREAD_COUNTS], thread_count_count;
    const bench_model *model; /* NULL: all */
    int mode;                 /* -1: both  */
    bool worker;
    bench_opts work;
    const char *json, *save;
} options;

static void die(const char *message)
{
    fprintf(stderr, "models: %s\n", message);
    exit(1);
}

/* ------------------------------------------------------------- workers -- */

/* A line that the worker was asked for; its errors end the program. */
static json_t *ask(FILE *to, FILE *from, const char *command, int count)
{
    static char line[1 << 22];
    if (count)
        fprintf(to, "%s %d\n", command, count);
    else
        fprintf(to, "%s\n", command);
    fflush(to);
    if (!fgets(line, sizeof line, from))
        die("a worker ended before it answered");
    json_t *reply = json_loads(line, 0, NULL);
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (!reply || error)
        die(error ? error : "a worker's answer is no JSON");
    return reply;
}

/* Everything about one model in one mode on one number of threads. */
static json_t *measure(const options *o, const bench_model *model, const bench_opts *work, int mode)
{
    int commands[2], answers[2];
    if (pipe(commands) || pipe(answers))
        die("no pipe to a worker");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        die("no process for a worker");
    if (child == 0) {
        close(commands[1]), close(answers[0]);
        FILE *in = fdopen(commands[0], "r"), *out = fdopen(answers[1], "w");
        _exit(in && out && bench_worker_serve(model, work, in, out) ? 0 : 1);
    }
    close(commands[0]), close(answers[1]);
    FILE *to = fdopen(commands[1], "w"), *from = fdopen(answers[0], "r");
    if (!to || !from)
        die("no pipe to a worker");
    json_t *times = ask(to, from, modes[mode], (mode ? 1 : INFERENCES_PER_STEP) * o->repeat);
    json_t *row = ask(to, from, "end", 0);
    json_object_set_new(row, "model", json_string(model->name));
    json_object_set_new(row, "mode", json_string(modes[mode]));
    json_object_update(row, times);
    json_decref(times);
    fclose(to), fclose(from);
    waitpid(child, NULL, 0);
    return row;
}

/* ------------------------------------------------------------ reporting -- */

static double number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static const char *text(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static bench_summary summary_of(const json_t *row)
{
    const json_t *list = json_object_get(row, "seconds");
    int count = (int)json_array_size(list);
    double *samples = malloc((size_t)(2 * count + 1) * sizeof *samples); /* and sorted */
    if (!samples)
        die("out of memory");
    for (int i = 0; i < count; i++)
        samples[i] = json_number_value(json_array_get(list, (size_t)i));
    bench_summary summary = bench_summarise(samples, count, samples + count);
    free(samples);
    return summary;
}

static void print_times(const json_t *row)
{
    bench_summary time = summary_of(row);
    bool training = strcmp(text(row, "mode"), "train") == 0;
    double gflop = number(row, training ? "train_flops" : "infer_flops") * 1e-9;
    printf("%-19s %3.0f  %-5s %4.0f %9.3f [%8.3f .. %8.3f] %9.3f %5d %8.4f %8.1f\n",
           text(row, "model"), number(row, "threads"), text(row, "mode"),
           training ? number(row, "rows") : 1, 1e3 * time.median, 1e3 * time.lower_quartile,
           1e3 * time.upper_quartile, 1e3 * time.least, time.count, gflop, gflop / time.median);
}

static void print_memory(const options *o, const json_t *row)
{
    const double mib = 1 << 20;
    printf("%-19s %3.0f  %-5s %9.2f %9.2f %9.2f %11.2f %6.0f %7.0f %8.0f\n"
           "      build/bench/models -r %d -s %s -m %s -M %s -t %.0f --dropout %g --seed %llu\n",
           text(row, "model"), number(row, "threads"), text(row, "mode"),
           number(row, "memory_growth") / mib, number(row, "arena_bytes") / mib,
           number(row, "unplanned_bytes") / mib, number(row, "parameter_bytes") / mib,
           number(row, "heap_allocations"), number(row, "context_allocations"),
           number(row, "involuntary_switches"), o->repeat, text(row, "simd"), text(row, "model"),
           text(row, "mode"), number(row, "threads"), o->work.dropout,
           (unsigned long long)o->work.seed);
}

static void print_report(const options *o, const json_t *rows, double load_before)
{
    char cpu[192];
    size_t i;
    const json_t *row;
    bench_cpu_name(cpu, sizeof cpu);
    printf("%s, %d cores, SIMD level %s\n", cpu, bench_cores(),
           text(json_array_get(rows, 0), "simd"));
    printf("load %.2f before, %.2f after; all times hot\n\n", load_before, bench_load());
    printf("%-19s %3s  %-5s %4s %9s %22s %9s %5s %8s %8s\n", "model", "thr", "mode", "rows",
           "median ms", "[quartiles]", "least", "n", "GFLOP", "GFLOP/s");
    json_array_foreach(rows, i, row)
        print_times(row);
    printf("\n%31s%9s %9s %9s %11s %14s %8s\n", "", "growth", "step's", "without", "parameters'",
           "allocations in", "switches");
    printf("%-19s %3s  %-5s %9s %9s %9s %11s %6s %7s %8s\n", "model", "thr", "mode", "MiB", "MiB",
           "reuse", "MiB", "heap", "context", "forced");
    json_array_foreach(rows, i, row)
        print_memory(o, row);
    printf("\nallocations: in timed steps, which begin after the second\n");
}

static void write_json(const options *o, json_t *rows, double load_before)
{
    char cpu[192];
    bench_cpu_name(cpu, sizeof cpu);
    json_t *report = json_pack("{s:s, s:i, s:f, s:f, s:f, s:I, s:O}", "cpu", cpu, "cores",
                               bench_cores(), "load_before", load_before, "load_after",
                               bench_load(), "dropout", o->work.dropout, "seed",
                               (json_int_t)o->work.seed, "rows", rows);
    if (json_dump_file(report, o->json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)))
        die("cannot write the --json file");
    json_decref(report);
}

static int allocating_rows(const json_t *rows)
{
    size_t i;
    const json_t *row;
    int found = 0;
    json_array_foreach(rows, i, row)
        if (number(row, "heap_allocations") > 0 || number(row, "context_allocations") > 0)
            found++;
    return found;
}

/* ----------------------------------------------------------------- main -- */

static void print_usage(FILE *out)
{
    fputs("usage: models [options]\n"
          "  -m, --model NAME    one of those below (all)\n"
          "  -M, --mode MODE     infer, train (both)\n"
          "  -r, --repeat N      timed training steps, or 5 N inferences (20)\n"
          "  -t, --threads LIST  numbers of threads (1,2)\n"
          "  -s, --simd LEVEL    avx512, avx2, base (the best there is)\n"
          "      --dropout P     of the trimodal models (0.1); the others have none\n"
          "      --seed N        of weights and batch (1)\n"
          "      --json FILE     also write all samples there\n"
          "      --save FOLDER   time nothing: write batch, weights, and the losses and logits\n"
          "                      of the first steps without dropout, for another framework to\n"
          "                      follow: see bench/workload/save.h\n"
          "      --worker        be told what to time, a line each: see bench/workload/worker.h\n"
          "models:\n", out);
    for (int m = 0; bench_models[m]; m++)
        fprintf(out, "  %-20s %s\n", bench_models[m]->name, bench_models[m]->summary);
}

static void parse_threads(options *o, const char *list)
{
    o->thread_count_count = 0;
    for (char *end; *list; list = *end ? end + 1 : end) {
        long threads = strtol(list, &end, 10);
        if (end == list || threads < 1 || threads > 64 || (*end && *end != ',') ||
            o->thread_count_count == MOST_THREAD_COUNTS)
            die("--threads wants numbers from 1 to 64, such as 1,2");
        o->thread_counts[o->thread_count_count++] = (int)threads;
    }
    if (!o->thread_count_count)
        die("--threads wants numbers from 1 to 64, such as 1,2");
}

static const bench_model *model_named(const char *name)
{
    tern_error error = { 0 };
    const bench_model *found = bench_model_find(name, &error);
    if (!found)
        die(error.message);
    return found;
}

static int mode_named(const char *name)
{
    for (int mode = 0; mode < MODES; mode++)
        if (strcmp(modes[mode], name) == 0)
            return mode;
    die("--mode wants infer or train");
    return -1;
}

static void parse(options *o, int argc, char **argv)
{
    static const struct option names[] = {
        { "model", required_argument, NULL, 'm' }, { "mode", required_argument, NULL, 'M' },
        { "repeat", required_argument, NULL, 'r' }, { "threads", required_argument, NULL, 't' },
        { "simd", required_argument, NULL, 's' }, { "dropout", required_argument, NULL, 'd' },
        { "seed", required_argument, NULL, 'e' }, { "json", required_argument, NULL, 'j' },
        { "save", required_argument, NULL, 'S' }, { "worker", no_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' }, { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "m:M:r:t:s:h", names, NULL)) != -1;)
        switch (c) {
        case 'm': o->model = model_named(optarg); break;
        case 'M': o->mode = mode_named(optarg); break;
        case 'r': o->repeat = atoi(optarg); break;
        case 't': parse_threads(o, optarg); break;
        case 's': o->work.simd = optarg; break;
        case 'd': o->work.dropout = atof(optarg); break;
        case 'e': o->work.seed = strtoull(optarg, NULL, 10); break;
        case 'j': o->json = optarg; break;
        case 'S': o->save = optarg; break;
        case 'w': o->worker = true; break;
        case 'h': print_usage(stdout); exit(0);
        default: print_usage(stderr); exit(2);
        }
    if (o->repeat < 1 || o->repeat > 10000)
        die("--repeat wants a number from 1 to 10000");
    if (o->work.dropout < 0 || o->work.dropout >= 1)
        die("--dropout wants a number from 0 to below 1");
    if (o->worker && (!o->model || o->thread_count_count != 1))
        die("--worker wants one --model and one number of --threads");
}

static void save(const options *o, const bench_model *model)
{
    bench_workload work;
    bench_opts opts = o->work;
    tern_error error = { 0 };
    opts.dropout = 0; /* another framework draws other numbers */
    opts.threads = o->thread_counts[0];
    if (!bench_workload_open(&work, model, &opts, &error) ||
        !bench_workload_save(&work, o->save, &error))
        die(error.message);
    bench_workload_close(&work);
}

static void measure_all(const options *o, const bench_model *model, json_t *rows)
{
    bench_opts work = o->work;
    for (int mode = 0; mode < MODES; mode++)
        for (int t = 0; t < o->thread_count_count; t++) {
            work.threads = o->thread_counts[t];
            if (o->mode < 0 || o->mode == mode)
                json_array_append_new(rows, measure(o, model, &work, mode));
        }
}

int main(int argc, char **argv)
{
    options o = { .repeat = 20, .thread_counts = { 1, 2 }, .thread_count_count = 2, .mode = -1,
                  .work = { .dropout = 0.1, .seed = 1 } };
    if (bench_cores() == 1)
        o.thread_count_count = 1;
    parse(&o, argc, argv);
    if (o.worker) {
        o.work.threads = o.thread_counts[0];
        return !bench_worker_serve(o.model, &o.work, stdin, stdout);
    }
    double load = bench_load();
    json_t *rows = json_array();
    for (int m = 0; bench_models[m]; m++)
        if (o.model && o.model != bench_models[m])
            continue;
        else if (o.save)
            save(&o, bench_models[m]);
        else
            measure_all(&o, bench_models[m], rows);
    if (o.save)
        return 0;
    print_report(&o, rows, load);
    if (o.json)
        write_json(&o, rows, load);
    int allocating = allocating_rows(rows);
    json_decref(rows);
    if (allocating)
        die("a step after the second allocated memory");
    return 0;
}
