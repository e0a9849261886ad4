/* How near the arithmetic-bound kernels come to the machine's peak.
 *
 *     build/bench/kernels [options] [OP [INPUTS [OPTIONS]]]
 *
 * Without OP: the benchmark samples of matmul, linear and conv2d.  Every provider of the op
 * on cpu is timed, on every number of threads asked for.  In each round all rows are run
 * once, in random order, among them the loop that measures the peak; a row's run is one
 * pass that warms the caches (so all times are hot) and one that is timed, through the
 * public op API: forward, or backward with every gradient wanted.  Outputs are poisoned beforehand
 * and checked against float64 loops before the first round and after the last.  A row that is faster than the peak is an error.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "bench/measure/peak.h"
#include "bench/measure/statistics.h"
#include "bench/workload/op_row.h"
#include "core/rng.h"
#include "kernels/matmul/openblas.h"
#include "kernels/table.h"

enum { MOST_ROWS = 256, MOST_PROBLEMS = 64, MOST_THREAD_COUNTS = 8 };

static const char *const default_ops[] = { "matmul", "linear", "conv2d", NULL };

/* The table's further providers; "hand" is there for every op. */
typedef struct named_provider {
    const char *op, *provider;
} named_provider;

static const named_provider providers[] = {
#define TERN_PROVIDER(op, provider) { #op, #provider },
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
};

typedef struct bench_row {
    bench_problem *problem; /* NULL: the row measures the peak */
    const char *provider;
    int threads;
    tern_ctx *ctx;
    bench_op_row op;
    double *seconds; /* [2][rounds]: in the order measured, and room to sort them; of the peak,
                      * FLOPs a second */
} bench_row;

typedef struct bench {
    int rounds, thread_counts[MOST_THREAD_COUNTS], thread_count_count;
    const char *only_provider, *simd, *best_simd, *json;
    bool passes[2]; /* forward, backward */
    uint64_t seed;
    bench_problem problems[MOST_PROBLEMS];
    int problem_count;
    bench_row rows[MOST_ROWS];
    int row_count;
} bench;

static void die(const char *message)
{
    fprintf(stderr, "kernels: %s\n", message);
    exit(1);
}

static void require(bool ok, const tern_error *error)
{
    if (!ok)
        die(error->message);
}

static void require_ctx(const tern_ctx *ctx)
{
    if (!tern_ok(ctx))
        die(tern_ctx_error(ctx)->message);
}

/* ----------------------------------------------------------------- rows -- */

static void add_problem(bench *b, const tern_op *op, const char *inputs, const char *options)
{
    tern_error error = { 0 };
    if (b->problem_count == MOST_PROBLEMS)
        die("too many problems");
    bench_problem *problem = &b->problems[b->problem_count++];
    require(bench_problem_make(problem, op, inputs, options, b->seed, &error), &error);
}

static void add_samples(bench *b, const tern_op *op)
{
    for (const tern_sample *sample = op->samples; sample->uses; sample++)
        if (sample->uses & TERN_SAMPLE_BENCH)
            add_problem(b, op, sample->inputs, sample->options);
}

static void add_row(bench *b, bench_problem *problem, bool backward, const char *provider,
                    int threads)
{
    tern_error error = { 0 };
    bool is_openblas = strcmp(provider, "openblas") == 0;
    if (b->only_provider && strcmp(b->only_provider, provider) != 0)
        return;
    /* Another library takes the best level there is, whose peak would then be missing. */
    if (b->simd && problem && strcmp(provider, "hand") != 0 && strcmp(b->simd, b->best_simd) != 0)
        return;
    if (is_openblas && !tern_openblas_sgemm(&error)) {
        fprintf(stderr, "kernels: %s\n", error.message);
        return;
    }
    if (b->row_count == MOST_ROWS)
        die("too many rows");
    bench_row *row = &b->rows[b->row_count++];
    *row = (bench_row){ .problem = problem, .provider = provider, .threads = threads };
    row->seconds = calloc(2 * (size_t)b->rounds, sizeof *row->seconds);
    row->ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = threads, .simd = b->simd },
                         &error);
    if (!row->ctx || !row->seconds)
        die(row->ctx ? "out of memory" : error.message);
    if (!problem)
        return;
    if (strcmp(provider, "hand") != 0)
        tern_set_provider(row->ctx, problem->values.op->name, provider);
    bench_op_row_open(&row->op, row->ctx, problem, backward);
    require_ctx(row->ctx);
}

static void add_providers(bench *b, bench_problem *problem, bool backward, int threads)
{
    add_row(b, problem, backward, "hand", threads);
    for (size_t p = 0; p < sizeof providers / sizeof *providers; p++)
        if (strcmp(providers[p].op, problem->values.op->name) == 0)
            add_row(b, problem, backward, providers[p].provider, threads);
}

static void add_rows(bench *b)
{
    for (int t = 0; t < b->thread_count_count; t++) {
        int threads = b->thread_counts[t];
        const char *only = b->only_provider;
        b->only_provider = NULL;
        add_row(b, NULL, false, "peak", threads);
        b->only_provider = only;
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < b->problem_count && b->passes[pass]; i++)
                add_providers(b, &b->problems[i], pass == 1, threads);
    }
}

/* --------------------------------------------------------------- timing -- */

static void run_rounds(bench *b)
{
    int order[MOST_ROWS];
    tern_rng rng = tern_rng_make(b->seed, TERN_STREAM_SHUFFLE, 0);
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < b->row_count; i++) {
            int at = (int)tern_rng_below(&rng, (uint32_t)i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        for (int i = 0; i < b->row_count; i++) {
            bench_row *row = &b->rows[order[i]];
            if (row->problem)
                bench_op_row_run(&row->op, &row->seconds[round]);
            else
                row->seconds[round] = bench_fma_peak(tern_ctx_pool(row->ctx),
                                                     tern_simd_level(row->ctx));
        }
    }
}

/* ------------------------------------------------------------- checking -- */

static void check_rows(bench *b, uint32_t when)
{
    tern_error error = { 0 };
    for (int i = 0; i < b->row_count; i++) {
        if (!b->rows[i].problem)
            continue;
        bench_op_row_check(&b->rows[i].op, when, &error);
        require(error.code == TERN_OK, &error);
        require_ctx(b->rows[i].ctx);
    }
}

/* ------------------------------------------------------------ reporting -- */

typedef struct result {
    double gflops, low, high, best; /* median, quartiles, best */
    double peak;                    /* best GFLOP/s of the loop on as many threads */
    const char *verdict;
} result;

static bench_summary summary_of(const bench *b, const bench_row *row)
{
    return bench_summarise(row->seconds, b->rounds, row->seconds + b->rounds);
}

static double peak_of(const bench *b, int threads)
{
    for (int i = 0; i < b->row_count; i++)
        if (!b->rows[i].problem && b->rows[i].threads == threads)
            return summary_of(b, &b->rows[i]).most * 1e-9;
    return 0;
}

static result result_of(const bench *b, const bench_row *row)
{
    bench_summary time = summary_of(b, row);
    double gflop = row->op.flops * 1e-9;
    result r = { gflop / time.median, gflop / time.upper_quartile, gflop / time.lower_quartile,
                 gflop / time.least, peak_of(b, row->threads), "ok" };
    if (!(row->op.worst <= 1))
        r.verdict = "WRONG VALUES";
    else if (r.best > 1.02 * r.peak)
        r.verdict = "ABOVE THE PEAK: not to be trusted";
    return r;
}

static const char *pass_name(const bench_row *row)
{
    return row->op.backward ? "bwd" : "fwd";
}

static void write_command(const bench *b, const bench_row *row, char *text, size_t size)
{
    snprintf(text, size, "build/bench/kernels --pass %s -r %d -t %d -p %s -s %s %s '%s' '%s'",
             pass_name(row), b->rounds, row->threads, row->provider, tern_simd_level(row->ctx),
             row->problem->values.op->name, row->problem->inputs, row->problem->options);
}

static void print_report(const bench *b, double load_before)
{
    char cpu[192], command[512];
    bench_cpu_name(cpu, sizeof cpu);
    printf("%s, %d cores, SIMD level %s, OpenBLAS core %s\n", cpu, bench_cores(),
           tern_simd_level(b->rows[0].ctx),
           tern_openblas_corename() ? tern_openblas_corename() : "not loaded");
    printf("load %.2f before, %.2f after; %ld involuntary context switches; all times hot, "
           "n = %d\n", load_before, bench_load(), bench_involuntary_switches(), b->rounds);
    for (int i = 0; i < b->row_count; i++)
        if (!b->rows[i].problem)
            printf("FMA peak, %d thread%s: %.1f GFLOP/s; its median %.1f\n", b->rows[i].threads,
                   b->rows[i].threads > 1 ? "s" : "", peak_of(b, b->rows[i].threads),
                   summary_of(b, &b->rows[i]).median * 1e-9);
    printf("\n%-4s %-9s %3s %9s %19s %7s %9s  %s\n", "pass", "provider", "thr", "GFLOP/s", "[quartiles]", "best",
           "% of peak", "check, problem, command that repeats it");
    for (int i = 0; i < b->row_count; i++) {
        if (!b->rows[i].problem)
            continue;
        result r = result_of(b, &b->rows[i]);
        write_command(b, &b->rows[i], command, sizeof command);
        printf("%-4s %-9s %3d %9.1f   [%6.1f .. %6.1f] %7.1f %3.0f (%3.0f)  %s\n      %s\n",
               pass_name(&b->rows[i]), b->rows[i].provider, b->rows[i].threads, r.gflops, r.low, r.high, r.best,
               100 * r.gflops / r.peak, 100 * r.best / r.peak, r.verdict, command);
    }
    printf("\n%% of peak: of the median (of the best)\n");
}

static json_t *row_json(const bench *b, const bench_row *row)
{
    char command[512];
    result r = result_of(b, row);
    json_t *samples = json_array();
    write_command(b, row, command, sizeof command);
    for (int i = 0; i < b->rounds; i++)
        json_array_append_new(samples, json_real(row->seconds[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, "
                     "s:o}",
                     "op", row->problem->values.op->name, "inputs", row->problem->inputs,
                     "options", row->problem->options, "pass", pass_name(row),
                     "provider", row->provider,
                     "threads", row->threads, "cache", "hot", "flops", row->op.flops,
                     "gflops_median", r.gflops, "gflops_lower_quartile", r.low,
                     "gflops_upper_quartile", r.high, "gflops_best", r.best,
                     "gflops_peak", r.peak, "error_of_allowed", row->op.worst,
                     "verdict", r.verdict, "command", command, "seconds", samples);
}

static void write_json(const bench *b, double load_before)
{
    char cpu[192];
    json_t *rows = json_array();
    bench_cpu_name(cpu, sizeof cpu);
    for (int i = 0; i < b->row_count; i++)
        if (b->rows[i].problem)
            json_array_append_new(rows, row_json(b, &b->rows[i]));
    json_t *report = json_pack(
        "{s:s, s:i, s:s, s:s?, s:f, s:f, s:i, s:s, s:o}", "cpu", cpu, "cores", bench_cores(),
        "simd", tern_simd_level(b->rows[0].ctx), "openblas_core", tern_openblas_corename(),
        "load_before", load_before, "load_after", bench_load(), "rounds", b->rounds,
        "version", TERN_VERSION, "rows", rows);
    if (!report || json_dump_file(report, b->json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0)
        die("cannot write the --json file");
    json_decref(report);
}

/* ----------------------------------------------------------------- main -- */

static const char usage[] =
    "usage: kernels [options] [OP [INPUTS [OPTIONS]]]\n"
    "OP: matmul, linear, conv1d, conv2d\n"
    "  -r, --rounds N      timed calls of every row (15)\n"
    "  -t, --threads LIST  numbers of threads (1,2)\n"
    "  -p, --provider NAME only this one: hand, openblas\n"
    "      --pass LIST     fwd, bwd or fwd,bwd (fwd)\n"
    "  -s, --simd LEVEL    avx512, avx2, base (the best there is)\n"
    "      --seed N        of values and order (1)\n"
    "      --json FILE     also write all samples there\n"
    "example: kernels -t 2 conv2d 'x=[16,32,32,64] weight=[64,3,3,64]' pad=1,1\n";

static void parse_threads(bench *b, const char *text)
{
    b->thread_count_count = 0;
    for (char *end; *text; text = *end ? end + 1 : end) {
        long threads = strtol(text, &end, 10);
        if (end == text || threads < 1 || threads > 64 || (*end && *end != ',') ||
            b->thread_count_count == MOST_THREAD_COUNTS)
            die("--threads wants numbers from 1 to 64, such as 1,2");
        b->thread_counts[b->thread_count_count++] = (int)threads;
    }
}

static void parse_passes(bench *b, const char *text)
{
    b->passes[0] = strcmp(text, "fwd") == 0 || strcmp(text, "fwd,bwd") == 0;
    b->passes[1] = strcmp(text, "bwd") == 0 || strcmp(text, "fwd,bwd") == 0;
    if (!b->passes[0] && !b->passes[1])
        die("--pass wants fwd, bwd or fwd,bwd");
}

static void parse(bench *b, int argc, char **argv)
{
    static const struct option names[] = {
        { "rounds", required_argument, NULL, 'r' }, { "threads", required_argument, NULL, 't' },
        { "provider", required_argument, NULL, 'p' }, { "simd", required_argument, NULL, 's' },
        { "seed", required_argument, NULL, 'e' }, { "json", required_argument, NULL, 'j' },
        { "pass", required_argument, NULL, 'b' }, { "help", no_argument, NULL, 'h' }, { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "r:t:p:s:h", names, NULL)) != -1;)
        switch (c) {
        case 'r': b->rounds = atoi(optarg); break;
        case 't': parse_threads(b, optarg); break;
        case 'p': b->only_provider = optarg; break;
        case 's': b->simd = optarg; break;
        case 'e': b->seed = strtoull(optarg, NULL, 10); break;
        case 'j': b->json = optarg; break;
        case 'b': parse_passes(b, optarg); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (b->rounds < 1 || b->rounds > 100000)
        die("--rounds wants a number from 1 to 100000");
}

int main(int argc, char **argv)
{
    static bench b = { .rounds = 15, .thread_counts = { 1, 2 }, .thread_count_count = 2, .seed = 1,
                       .passes = { true, false } };
    tern_error error = { 0 };
    int failed = 0;

    parse(&b, argc, argv);
    if (bench_cores() == 1 && b.thread_count_count == 2 && b.thread_counts[1] == 2)
        b.thread_count_count = 1;
    if (optind < argc) {
        const tern_op *op = tern_op_find(argv[optind], &error);
        require(op != NULL, &error);
        if (optind + 1 < argc)
            add_problem(&b, op, argv[optind + 1], optind + 2 < argc ? argv[optind + 2] : "");
        else
            add_samples(&b, op);
    }
    for (int i = 0; default_ops[i] && optind >= argc; i++)
        add_samples(&b, tern_op_find(default_ops[i], NULL));

    double load = bench_load();
    const char *levels[4];
    tern_simd_levels(levels);
    b.best_simd = levels[0];
    add_rows(&b);
    check_rows(&b, 0);
    run_rounds(&b);
    check_rows(&b, 1);
    print_report(&b, load);
    if (b.json)
        write_json(&b, load);
    for (int i = 0; i < b.row_count; i++)
        failed += b.rows[i].problem && strcmp(result_of(&b, &b.rows[i]).verdict, "ok") != 0;
    for (int i = 0; i < b.row_count; i++) {
        bench_op_row_close(&b.rows[i].op);
        tern_ctx_free(b.rows[i].ctx);
        free(b.rows[i].seconds);
    }
    for (int i = 0; i < b.problem_count; i++)
        tern_problem_free(&b.problems[i].values);
    return failed > 0;
}
