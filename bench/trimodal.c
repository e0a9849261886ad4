/* How long the trimodal classifiers take to train and to answer, and in what memory.
 *
 *     build/bench/trimodal [options]
 *
 * The work is bench/workload/trimodal.h's.  Each fusion, on each number of threads, is
 * timed in a process of its own, so that the growth of memory is its own too: the most
 * that was ever resident less what was before the model was made, the batch being there
 * already.  All times are hot: the same batch, step after step.  A training step is
 * counted as three times the FLOPs of its forward pass; an update of all parameters is
 * not counted.  No memory may be allocated in a timed training step.
 */
#include "bench/measure/machine.h"
#include "bench/measure/statistics.h"
#include "bench/workload/worker.h"
#include "kernels/table.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_THREAD_COUNTS = 8, INFERENCES_PER_STEP = 5 };

typedef struct options {
    int repeat, thread_counts[MOST_THREAD_COUNTS], thread_count_count;
    int fusion; /* -1: all */
    bool worker;
    bench_trimodal_opts work;
    const char *json, *save;
} options;

static void die(const char *message)
{
    fprintf(stderr, "trimodal: %s\n", message);
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

/* Everything about one fusion on one number of threads. */
static json_t *measure(const options *o, const bench_trimodal_opts *work)
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
        _exit(in && out && bench_worker_serve(work, in, out) ? 0 : 1);
    }
    close(commands[0]), close(answers[1]);
    FILE *to = fdopen(commands[1], "w"), *from = fdopen(answers[0], "r");
    if (!to || !from)
        die("no pipe to a worker");
    json_t *train = ask(to, from, "train", o->repeat);
    json_t *infer = ask(to, from, "infer", INFERENCES_PER_STEP * o->repeat);
    json_t *row = ask(to, from, "end", 0);
    json_object_set_new(row, "fusion", json_string(tern_fusion_names[work->fusion]));
    json_object_set(row, "train_seconds", json_object_get(train, "seconds"));
    json_object_set(row, "infer_seconds", json_object_get(infer, "seconds"));
    json_decref(train), json_decref(infer);
    fclose(to), fclose(from);
    waitpid(child, NULL, 0);
    return row;
}

/* ------------------------------------------------------------ reporting -- */

static double number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static bench_summary summary_of(const json_t *row, const char *key)
{
    const json_t *list = json_object_get(row, key);
    int count = (int)json_array_size(list);
    double *samples = malloc((size_t)(count + 1) * sizeof *samples);
    if (!samples)
        die("out of memory");
    for (int i = 0; i < count; i++)
        samples[i] = json_number_value(json_array_get(list, (size_t)i));
    bench_summary summary = bench_summarise(samples, count);
    free(samples);
    return summary;
}

static void print_times(const json_t *row, const char *what, const char *seconds, const char *flops)
{
    bench_summary time = summary_of(row, seconds);
    double gflop = number(row, flops) * 1e-9;
    printf("%-10s %3.0f  %-6s %9.3f [%8.3f .. %8.3f] %9.3f %5d %8.3f %8.1f\n",
           json_string_value(json_object_get(row, "fusion")), number(row, "threads"), what,
           1e3 * time.median, 1e3 * time.lower_quartile, 1e3 * time.upper_quartile,
           1e3 * time.least, time.count, gflop, gflop / time.median);
}

static void print_report(const options *o, const json_t *rows, double load_before)
{
    char cpu[192];
    const double mib = 1 << 20;
    size_t i;
    const json_t *row;
    bench_cpu_name(cpu, sizeof cpu);
    printf("%s, %d cores, SIMD level %s\n", cpu, bench_cores(),
           json_string_value(json_object_get(json_array_get(rows, 0), "simd")));
    printf("load %.2f before, %.2f after; batch %d to train, 1 to infer; dropout %g; hot\n\n",
           load_before, bench_load(), BENCH_ROWS, o->work.dropout);
    printf("%-10s %3s  %-6s %9s %22s %9s %5s %8s %8s\n", "fusion", "thr", "what", "median ms",
           "[quartiles]", "least", "n", "GFLOP", "GFLOP/s");
    json_array_foreach(rows, i, row) {
        print_times(row, "train", "train_seconds", "train_flops");
        print_times(row, "infer", "infer_seconds", "infer_flops");
    }
    printf("\n%-10s %3s  %16s %10s %10s %11s  %s\n", "fusion", "thr", "memory growth MiB", "step's",
           "without", "parameters'", "allocations in steps; involuntary switches");
    json_array_foreach(rows, i, row)
        printf("%-10s %3.0f  %17.1f %10.1f %10.1f %11.1f  %.0f heap, %.0f context; %.0f\n"
               "      build/bench/trimodal -r %d -s %s -f %s -t %.0f --dropout %g --seed %llu\n",
               json_string_value(json_object_get(row, "fusion")), number(row, "threads"),
               number(row, "memory_growth") / mib, number(row, "arena_bytes") / mib,
               number(row, "unplanned_bytes") / mib, number(row, "parameter_bytes") / mib,
               number(row, "heap_allocations"), number(row, "context_allocations"),
               number(row, "involuntary_switches"), o->repeat,
               json_string_value(json_object_get(row, "simd")),
               json_string_value(json_object_get(row, "fusion")), number(row, "threads"),
               o->work.dropout, (unsigned long long)o->work.seed);
    printf("\nwithout: a step's memory if none of it were reused\n");
}

static void write_json(const options *o, json_t *rows, double load_before)
{
    char cpu[192];
    bench_cpu_name(cpu, sizeof cpu);
    json_t *report = json_pack("{s:s, s:i, s:f, s:f, s:i, s:f, s:I, s:O}", "cpu", cpu, "cores",
                               bench_cores(), "load_before", load_before, "load_after",
                               bench_load(), "batch", BENCH_ROWS, "dropout", o->work.dropout,
                               "seed", (json_int_t)o->work.seed, "rows", rows);
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

static const char usage[] =
    "usage: trimodal [options]\n"
    "  -r, --repeat N      timed training steps, and 5 N inferences (20)\n"
    "  -t, --threads LIST  numbers of threads (1,2)\n"
    "  -f, --fusion NAME   concat, attention, crossmodal (all)\n"
    "  -s, --simd LEVEL    avx512, avx2, base (the best there is)\n"
    "      --dropout P     (0.1)\n"
    "      --seed N        of weights and batch (1)\n"
    "      --json FILE     also write all samples there\n"
    "      --save FOLDER   time nothing: write batch, weights, and the losses and logits of the\n"
    "                      first steps without dropout, for another framework to follow\n"
    "      --worker        be told what to time, a line each: see bench/workload/worker.h\n";

static void parse_threads(options *o, const char *text)
{
    o->thread_count_count = 0;
    for (char *end; *text; text = *end ? end + 1 : end) {
        long threads = strtol(text, &end, 10);
        if (end == text || threads < 1 || threads > 64 || (*end && *end != ',') ||
            o->thread_count_count == MOST_THREAD_COUNTS)
            die("--threads wants numbers from 1 to 64, such as 1,2");
        o->thread_counts[o->thread_count_count++] = (int)threads;
    }
    if (!o->thread_count_count)
        die("--threads wants numbers from 1 to 64, such as 1,2");
}

static int fusion_named(const char *name)
{
    for (int f = 0; f < TERN_FUSIONS; f++)
        if (strcmp(tern_fusion_names[f], name) == 0)
            return f;
    die("--fusion wants concat, attention or crossmodal");
    return -1;
}

static void parse(options *o, int argc, char **argv)
{
    static const struct option names[] = {
        { "repeat", required_argument, NULL, 'r' }, { "threads", required_argument, NULL, 't' },
        { "fusion", required_argument, NULL, 'f' }, { "simd", required_argument, NULL, 's' },
        { "dropout", required_argument, NULL, 'd' }, { "seed", required_argument, NULL, 'e' },
        { "json", required_argument, NULL, 'j' }, { "save", required_argument, NULL, 'S' },
        { "worker", no_argument, NULL, 'w' }, { "help", no_argument, NULL, 'h' }, { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "r:t:f:s:h", names, NULL)) != -1;)
        switch (c) {
        case 'r': o->repeat = atoi(optarg); break;
        case 't': parse_threads(o, optarg); break;
        case 'f': o->fusion = fusion_named(optarg); break;
        case 's': o->work.simd = optarg; break;
        case 'd': o->work.dropout = atof(optarg); break;
        case 'e': o->work.seed = strtoull(optarg, NULL, 10); break;
        case 'j': o->json = optarg; break;
        case 'S': o->save = optarg; break;
        case 'w': o->worker = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (o->repeat < 1 || o->repeat > 10000)
        die("--repeat wants a number from 1 to 10000");
    if (o->work.dropout < 0 || o->work.dropout >= 1)
        die("--dropout wants a number from 0 to below 1");
    if (o->worker && (o->fusion < 0 || o->thread_count_count != 1))
        die("--worker wants one --fusion and one number of --threads");
}

static void save(const options *o, bench_trimodal_opts opts)
{
    bench_trimodal work;
    tern_error error = { 0 };
    opts.dropout = 0; /* another framework draws other numbers */
    opts.threads = o->thread_counts[0];
    if (!bench_trimodal_open(&work, &opts, &error) || !bench_trimodal_save(&work, o->save, &error))
        die(error.message);
    bench_trimodal_close(&work);
}

int main(int argc, char **argv)
{
    options o = { .repeat = 20, .thread_counts = { 1, 2 }, .thread_count_count = 2, .fusion = -1,
                  .work = { .dropout = 0.1, .seed = 1 } };
    parse(&o, argc, argv);
    if (bench_cores() == 1 && o.thread_count_count == 2 && o.thread_counts[1] == 2)
        o.thread_count_count = 1;
    bench_trimodal_opts work = o.work;
    if (o.worker) {
        work.fusion = (tern_fusion)o.fusion;
        work.threads = o.thread_counts[0];
        return !bench_worker_serve(&work, stdin, stdout);
    }
    double load = bench_load();
    json_t *rows = json_array();
    for (int fusion = 0; fusion < TERN_FUSIONS; fusion++) {
        work.fusion = (tern_fusion)fusion;
        if (o.fusion >= 0 && fusion != o.fusion)
            continue;
        if (o.save)
            save(&o, work);
        for (int t = 0; t < o.thread_count_count && !o.save; t++) {
            work.threads = o.thread_counts[t];
            json_array_append_new(rows, measure(&o, &work));
        }
    }
    if (o.save)
        return 0;
    print_report(&o, rows, load);
    if (o.json)
        write_json(&o, rows, load);
    int allocating = allocating_rows(rows);
    json_decref(rows);
    if (allocating)
        die("a training step after the second allocated memory");
    return 0;
}
