/* How near the arithmetic-bound kernels come to the machine's peak.
 *
 *     build/bench/kernels [options] [OP [INPUTS [OPTIONS]]]
 *
 * Without OP: the benchmark samples of matmul, linear and conv2d.  Every provider of the op
 * on cpu is timed, on every number of threads asked for.  In each round all rows are run
 * once, in random order, among them the loop that measures the peak; a row's run is one
 * call that warms the caches (so all times are hot) and one that is timed, through the
 * public op API.  Outputs are poisoned beforehand and checked against float64 loops before
 * the first round and after the last.  A row that is faster than the peak is an error.
 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "bench/measure/peak.h"
#include "bench/measure/statistics.h"
#include "core/rng.h"
#include "kernels/matmul/openblas.h"
#include "kernels/problem.h"
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

typedef struct bench_problem {
    const char *inputs, *options;
    tern_problem values;
} bench_problem;

typedef struct bench_row {
    bench_problem *problem; /* NULL: the row measures the peak */
    const char *provider;
    int threads;
    tern_ctx *ctx;
    tern_tensor *inputs[TERN_MAX_ARGS]; /* kept, so that a run uploads nothing */
    double flops;
    double *seconds; /* [rounds]; of the peak, FLOPs a second */
    double worst;    /* error, as a part of what is allowed */
} bench_row;

typedef struct bench {
    int rounds, thread_counts[MOST_THREAD_COUNTS], thread_count_count;
    const char *only_provider, *simd, *best_simd, *json;
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
    problem->inputs = inputs;
    problem->options = options;
    require(tern_problem_make(&problem->values, op, inputs, options, b->seed, &error), &error);
}

static void add_samples(bench *b, const tern_op *op)
{
    for (const tern_sample *sample = op->samples; sample->uses; sample++)
        if (sample->uses & TERN_SAMPLE_BENCH)
            add_problem(b, op, sample->inputs, sample->options);
}

static void add_row(bench *b, bench_problem *problem, const char *provider, int threads)
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
    row->seconds = calloc((size_t)b->rounds, sizeof *row->seconds);
    row->ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = threads, .simd = b->simd,
                                          .poison = true }, &error);
    if (!row->ctx || !row->seconds)
        die(row->ctx ? "out of memory" : error.message);
    if (!problem)
        return;
    if (strcmp(provider, "hand") != 0)
        tern_set_provider(row->ctx, problem->values.op->name, provider);
    tern_step_begin(row->ctx, 1);
    tern_problem_upload(row->ctx, &problem->values, false, row->inputs);
    for (int i = 0; i < problem->values.count; i++)
        if (row->inputs[i])
            row->inputs[i] = tern_keep(row->ctx, row->inputs[i]);
    require_ctx(row->ctx);
}

static void add_rows(bench *b)
{
    for (int t = 0; t < b->thread_count_count; t++) {
        int threads = b->thread_counts[t];
        const char *only = b->only_provider;
        b->only_provider = NULL;
        add_row(b, NULL, "peak", threads);
        b->only_provider = only;
        for (int i = 0; i < b->problem_count; i++) {
            add_row(b, &b->problems[i], "hand", threads);
            for (size_t p = 0; p < sizeof providers / sizeof *providers; p++)
                if (strcmp(providers[p].op, b->problems[i].values.op->name) == 0)
                    add_row(b, &b->problems[i], providers[p].provider, threads);
        }
    }
}

/* --------------------------------------------------------------- timing -- */

/* A call that warms up, and a call that is timed; returns the latter's output. */
static tern_tensor *run_row(bench_row *row, double *seconds)
{
    tern_tensor *out[TERN_MAX_SAVED];
    tern_step_begin(row->ctx, 0);
    tern_problem_apply(row->ctx, &row->problem->values, row->inputs, out);
    row->flops = tern_step_flops(row->ctx);
    double start = bench_seconds();
    tern_problem_apply(row->ctx, &row->problem->values, row->inputs, out);
    *seconds = bench_seconds() - start;
    require_ctx(row->ctx);
    return out[0];
}

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
                run_row(row, &row->seconds[round]);
            else
                row->seconds[round] = bench_fma_peak(tern_ctx_pool(row->ctx),
                                                     tern_simd_level(row->ctx));
        }
    }
}

/* ------------------------------------------------------------- checking -- */

static double *ref_output(const tern_problem *problem, int64_t *count)
{
    tern_error error = { 0 };
    tern_tensor *in[TERN_MAX_ARGS], *out[TERN_MAX_SAVED];
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "ref" }, &error);
    require(ctx != NULL, &error);
    tern_step_begin(ctx, 0);
    tern_problem_upload(ctx, problem, false, in);
    tern_problem_apply(ctx, problem, in, out);
    require_ctx(ctx);
    double *values = malloc((size_t)(out[0]->count + 1) * sizeof *values);
    if (!values)
        die("out of memory");
    *count = out[0]->count;
    tern_read(ctx, out[0], TERN_F64, values);
    tern_ctx_free(ctx);
    return values;
}

/* A copy of the problem whose first input is only its indices [first, first + n) along
 * axis 0 (rows of a matrix, images of a batch), all values absolute if asked. */
static tern_problem part_of(const bench_problem *problem, int64_t first, int64_t n, bool absolute)
{
    tern_error error = { 0 };
    tern_problem part;
    const tern_problem *all = &problem->values;
    require(tern_problem_make(&part, all->op, problem->inputs, problem->options, 0, &error),
            &error);
    for (int i = 0; i < all->count; i++) {
        tern_problem_input *input = &part.inputs[i];
        int64_t start = 0;
        if (!input->present || input->arg->kind != TERN_REAL)
            continue;
        if (i == 0) {
            start = first * (input->count / input->shape[0]);
            input->count = input->count / input->shape[0] * n;
            input->shape[0] = n;
        }
        for (int64_t at = 0; at < input->count; at++) {
            double value = ((const double *)all->inputs[i].values)[start + at];
            ((double *)input->values)[at] = absolute ? fabs(value) : value;
        }
    }
    return part;
}

/* As many of the first input's indices along axis 0 as the plain loops manage in a moment,
 * against float64.  Allowed: 8 eps sqrt(terms) sum |terms|. */
static void check_row(const bench *b, bench_row *row, uint32_t when)
{
    const double flops_of_a_moment = 2e8;
    double seconds;
    tern_tensor *out = run_row(row, &seconds);
    int64_t rows = row->problem->values.inputs[0].shape[0], count, n = rows;
    if (out->count == 0)
        return;
    tern_rng rng = tern_rng_make(b->seed, TERN_STREAM_TEST, when);

    if (row->flops > flops_of_a_moment)
        n = (int64_t)((double)rows * flops_of_a_moment / row->flops);
    n = n < 1 ? 1 : n;
    int64_t first = tern_rng_below(&rng, (uint32_t)(rows - n + 1));
    tern_problem part = part_of(row->problem, first, n, false);
    tern_problem absolute = part_of(row->problem, first, n, true);
    double *want = ref_output(&part, &count), *terms = ref_output(&absolute, &count);
    float *got = malloc((size_t)(out->count + 1) * sizeof *got);
    if (!got)
        die("out of memory");
    tern_read(row->ctx, out, TERN_F32, got);
    double bound = 8 * 0x1p-24 * sqrt(row->flops / 2 / (double)out->count + 1);
    const float *at = got + first * (out->count / rows);
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(at[i] - want[i]) / (bound * terms[i] + 1e-37);
        row->worst = error <= row->worst ? row->worst : error; /* NaN is kept */
    }
    tern_problem_free(&part);
    tern_problem_free(&absolute);
    free(want), free(terms), free(got);
}

static void check_rows(bench *b, uint32_t when)
{
    for (int i = 0; i < b->row_count; i++)
        if (b->rows[i].problem)
            check_row(b, &b->rows[i], when);
}

/* ------------------------------------------------------------ reporting -- */

typedef struct result {
    double gflops, low, high, best; /* median, quartiles, best */
    double peak;                    /* best GFLOP/s of the loop on as many threads */
    const char *verdict;
} result;

static double peak_of(const bench *b, int threads)
{
    for (int i = 0; i < b->row_count; i++)
        if (!b->rows[i].problem && b->rows[i].threads == threads)
            return bench_summarise(b->rows[i].seconds, b->rounds).most * 1e-9;
    return 0;
}

static result result_of(const bench *b, const bench_row *row)
{
    bench_summary time = bench_summarise(row->seconds, b->rounds);
    double gflop = row->flops * 1e-9;
    result r = { gflop / time.median, gflop / time.upper_quartile, gflop / time.lower_quartile,
                 gflop / time.least, peak_of(b, row->threads), "ok" };
    if (!(row->worst <= 1))
        r.verdict = "WRONG VALUES";
    else if (r.best > 1.02 * r.peak)
        r.verdict = "ABOVE THE PEAK: not to be trusted";
    return r;
}

static void write_command(const bench *b, const bench_row *row, char *text, size_t size)
{
    snprintf(text, size, "build/bench/kernels -r %d -t %d -p %s -s %s %s '%s' '%s'", b->rounds,
             row->threads, row->provider, tern_simd_level(row->ctx), row->problem->values.op->name,
             row->problem->inputs, row->problem->options);
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
            printf("FMA peak, %d thread%s: %.1f GFLOP/s\n", b->rows[i].threads,
                   b->rows[i].threads > 1 ? "s" : "", peak_of(b, b->rows[i].threads));
    printf("\n%-9s %3s %9s %19s %7s %9s  %s\n", "provider", "thr", "GFLOP/s", "[quartiles]", "best",
           "% of peak", "check, problem, command that repeats it");
    for (int i = 0; i < b->row_count; i++) {
        if (!b->rows[i].problem)
            continue;
        result r = result_of(b, &b->rows[i]);
        write_command(b, &b->rows[i], command, sizeof command);
        printf("%-9s %3d %9.1f   [%6.1f .. %6.1f] %7.1f %3.0f (%3.0f)  %s\n      %s\n",
               b->rows[i].provider, b->rows[i].threads, r.gflops, r.low, r.high, r.best,
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
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, "
                     "s:o}",
                     "op", row->problem->values.op->name, "inputs", row->problem->inputs,
                     "options", row->problem->options, "provider", row->provider,
                     "threads", row->threads, "cache", "hot", "flops", row->flops,
                     "gflops_median", r.gflops, "gflops_lower_quartile", r.low,
                     "gflops_upper_quartile", r.high, "gflops_best", r.best,
                     "gflops_peak", r.peak, "error_of_allowed", row->worst,
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
    "  -r, --rounds N      timed calls of every row (15)\n"
    "  -t, --threads LIST  numbers of threads (1,2)\n"
    "  -p, --provider NAME only this one: hand, openblas\n"
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

static void parse(bench *b, int argc, char **argv)
{
    static const struct option names[] = {
        { "rounds", required_argument, NULL, 'r' }, { "threads", required_argument, NULL, 't' },
        { "provider", required_argument, NULL, 'p' }, { "simd", required_argument, NULL, 's' },
        { "seed", required_argument, NULL, 'e' }, { "json", required_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' }, { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "r:t:p:s:h", names, NULL)) != -1;)
        switch (c) {
        case 'r': b->rounds = atoi(optarg); break;
        case 't': parse_threads(b, optarg); break;
        case 'p': b->only_provider = optarg; break;
        case 's': b->simd = optarg; break;
        case 'e': b->seed = strtoull(optarg, NULL, 10); break;
        case 'j': b->json = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (b->rounds < 1 || b->rounds > 100000)
        die("--rounds wants a number from 1 to 100000");
}

int main(int argc, char **argv)
{
    static bench b = { .rounds = 15, .thread_counts = { 1, 2 }, .thread_count_count = 2, .seed = 1 };
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
        tern_ctx_free(b.rows[i].ctx);
        free(b.rows[i].seconds);
    }
    for (int i = 0; i < b.problem_count; i++)
        tern_problem_free(&b.problems[i].values);
    return failed > 0;
}
