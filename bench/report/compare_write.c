/* Writing comparisons; see compare_write.h. */
#include "bench/report/compare_write.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "bench/measure/ceilings.h"

char *bench_time_text(double seconds, char text[BENCH_TIME_BYTES])
{
    static const struct { double unit; const char *name; } units[] = {
        { 1e-9, "ns" }, { 1e-6, "us" }, { 1e-3, "ms" }, { 1, "s" },
    };
    int u = 0;
    while (u < 3 && seconds >= 999.95 * units[u].unit)
        u++;
    double value = seconds / units[u].unit;
    snprintf(text, BENCH_TIME_BYTES, "%.*f %s", value < 9.9995 ? 3 : value < 99.995 ? 2 : 1, value,
             units[u].name);
    return text;
}

/* ----------------------------------------------------------------- table -- */

static void print_file(const char *letter, const bench_recorded *report, FILE *to)
{
    fprintf(to, "%s  %s", letter, report->file);
    for (int i = 0; i < 2; i++) {
        const char *text = i ? report->git : report->date;
        if (*text)
            fprintf(to, "  %s%s", i ? "git " : "", text);
    }
    fprintf(to, "  %s\n", report->host.cpu);
}

/* Far enough apart for rows of several threads to differ by it. */
static const double OTHER_CORES = 2;

static void print_cores(const bench_recorded_host *a, const bench_recorded_host *b, FILE *to)
{
    const bench_core_to_core *x = &a->core_to_core, *y = &b->core_to_core;
    char text[2][BENCH_CORE_TO_CORE_BYTES];
    if (a->cores != b->cores)
        fprintf(to, "not alike: cores: %d in A, %d in B\n", a->cores, b->cores);
    if (x->most > 0 && y->most > 0 &&
        (x->most > OTHER_CORES * y->most || y->most > OTHER_CORES * x->most))
        fprintf(to, "not alike: core to core and back: %s in A, %s in B: rows of several threads "
                "differ by the machine\n", bench_core_to_core_text(x, text[0]),
                bench_core_to_core_text(y, text[1]));
}

/* The first peak that fell; times of that report tell about its machine. */
static void print_fallen_peak(const bench_recorded *report, const char *letter, FILE *to)
{
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *ceiling = &report->ceilings[i];
        if (bench_peak_fell(ceiling->threads, ceiling->per_second, ceiling->worst)) {
            fprintf(to, "not alike: while %s was measured, %d thread%s had at times %.0f of %.0f "
                    "GFLOP/s\n", letter, ceiling->threads, ceiling->threads > 1 ? "s" : "",
                    ceiling->worst * 1e-9, ceiling->per_second * 1e-9);
            return;
        }
    }
}

/* What makes a comparison one of two machines rather than of two programs. */
static void print_differences(const bench_comparison *c, FILE *to)
{
    const bench_recorded_host *a = &c->a->host, *b = &c->b->host;
    const struct { const char *name, *a, *b; } texts[] = {
        { "CPU", a->cpu, b->cpu },
        { "compiler", a->compiler, b->compiler },
        { "kernel", a->kernel, b->kernel },
        { "governor", a->governor, b->governor },
        { "OpenBLAS core", a->openblas_core, b->openblas_core },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].a, texts[i].b) != 0)
            fprintf(to, "not alike: %s: %s in A, %s in B\n", texts[i].name,
                    *texts[i].a ? texts[i].a : "unknown", *texts[i].b ? texts[i].b : "unknown");
    print_cores(a, b, to);
    print_fallen_peak(c->a, "A", to);
    print_fallen_peak(c->b, "B", to);
    for (int i = 0; i < 2; i++) {
        const bench_recorded_host *host = i ? b : a;
        if (host->steal_percent > 1 || host->other_percent > 5)
            fprintf(to, "not alone: while %s was measured, others had %.1f %% of the cores and "
                    "the hypervisor %.1f %%\n", i ? "B" : "A", host->other_percent,
                    host->steal_percent);
    }
}

/* "+5.2 %"; of a ratio, so that it can be read beside the threshold. */
static char *change_text(double ratio, char text[BENCH_TIME_BYTES])
{
    if (ratio <= 0 || ratio == HUGE_VAL)
        snprintf(text, BENCH_TIME_BYTES, "?");
    else
        snprintf(text, BENCH_TIME_BYTES, "%+.1f", 100 * (ratio - 1));
    return text;
}

static void print_row(const bench_compared_row *row, FILE *to)
{
    char change[BENCH_TIME_BYTES], low[BENCH_TIME_BYTES], high[BENCH_TIME_BYTES];
    char a[BENCH_TIME_BYTES], b[BENCH_TIME_BYTES], name[BENCH_ROW_NAME_BYTES];
    fprintf(to, "%-9s %7s %%  [%6s .. %6s]  %9s -> %9s  %s\n", bench_verdict_name(row->verdict),
            change_text(row->ratio.value, change), change_text(row->ratio.low, low),
            change_text(row->ratio.high, high), bench_time_text(row->a->time.median, a),
            bench_time_text(row->b->time.median, b), bench_row_name(row->b, name));
}

/* A row that counts where it stands alone is only that; another says what became of it. */
static const char *state_of(const bench_recorded_row *row)
{
    if (!row)
        return "missing";
    return row->time.count == 0 && strcmp(row->verdict, "ok") == 0 ? "no samples" : row->verdict;
}

static void print_left(const bench_left_row *row, FILE *to)
{
    char name[BENCH_ROW_NAME_BYTES];
    if (!row->a || !row->b)
        fprintf(to, "only in %s  %s", row->a ? "A" : "B",
                bench_row_name(row->a ? row->a : row->b, name));
    else
        fprintf(to, "not compared (A: %s; B: %s)  %s", state_of(row->a), state_of(row->b),
                bench_row_name(row->a, name));
    fputc('\n', to);
}

void bench_comparison_print(const bench_comparison *c, FILE *to)
{
    double confidence = c->opts.confidence > 0 ? c->opts.confidence : 0.95;
    print_file("A", c->a, to);
    print_file("B", c->b, to);
    print_differences(c, to);
    fprintf(to, "\nchange of the median time from A to B [%g %% interval]; what counts: %g %%\n\n",
            100 * confidence, 100 * c->opts.threshold);
    for (int i = 0; i < c->row_count; i++)
        print_row(&c->rows[i], to);
    if (c->left_count)
        fputc('\n', to);
    for (int i = 0; i < c->left_count; i++)
        print_left(&c->left[i], to);
    fputc('\n', to);
    for (int v = 0; v < BENCH_VERDICTS; v++)
        fprintf(to, "%s%d %s", v ? ", " : "", c->counts[v], bench_verdict_name((bench_verdict)v));
    if (c->left_count)
        fprintf(to, "; %d not compared", c->left_count);
    if (c->broken)
        fprintf(to, ", of which %d gave right values in A and WRONG VALUES in B", c->broken);
    fputc('\n', to);
}

/* ------------------------------------------------------------------ JSON -- */

static json_t *key_json(const bench_recorded_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:o}", "op", row->op,
                     "inputs", row->inputs, "options", row->options, "pass", row->pass,
                     "gradients", row->gradients, "provider", row->provider, "device",
                     row->device, "dtype", row->dtype, "threads", row->threads, "simd", row->simd, "cache", row->cache, "tags",
                     json_loads(row->tags, 0, NULL));
}

static json_t *bound_json(double bound)
{
    return bound > 0 && bound < HUGE_VAL ? json_real(bound) : json_null();
}

static json_t *row_json(const bench_compared_row *row)
{
    json_t *json = key_json(row->a);
    json_t *rest = json_pack("{s:f, s:f, s:i, s:i, s:f, s:o, s:o, s:s}", "median_a",
                             row->a->time.median, "median_b", row->b->time.median, "n_a",
                             row->a->time.count, "n_b", row->b->time.count, "ratio",
                             row->ratio.value, "low", bound_json(row->ratio.low), "high",
                             bound_json(row->ratio.high), "verdict",
                             bench_verdict_name(row->verdict));
    json_object_update(json, rest);
    json_decref(rest);
    return json;
}

static json_t *left_json(const bench_left_row *row)
{
    json_t *json = key_json(row->a ? row->a : row->b);
    json_object_set_new(json, "a", row->a ? json_string(row->a->verdict) : json_null());
    json_object_set_new(json, "b", row->b ? json_string(row->b->verdict) : json_null());
    return json;
}

static json_t *file_json(const bench_recorded *report)
{
    return json_pack("{s:s, s:s, s:s}", "file", report->file, "date", report->date, "git",
                     report->git);
}

bool bench_comparison_json(const bench_comparison *c, FILE *to)
{
    json_t *rows = json_array(), *left = json_array(), *counts = json_object();
    for (int i = 0; i < c->row_count; i++)
        json_array_append_new(rows, row_json(&c->rows[i]));
    for (int i = 0; i < c->left_count; i++)
        json_array_append_new(left, left_json(&c->left[i]));
    for (int v = 0; v < BENCH_VERDICTS; v++)
        json_object_set_new(counts, bench_verdict_name((bench_verdict)v),
                            json_integer(c->counts[v]));
    json_object_set_new(counts, "broken", json_integer(c->broken));
    json_t *json = json_pack("{s:s, s:o, s:o, s:f, s:f, s:o, s:o, s:o}", "format",
                             "tern bench compare 1", "a", file_json(c->a), "b", file_json(c->b),
                             "threshold", c->opts.threshold, "confidence",
                             c->opts.confidence > 0 ? c->opts.confidence : 0.95, "counts", counts,
                             "rows", rows, "left", left);
    bool ok = json && json_dumpf(json, to, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0;
    json_decref(json);
    return ok && fputc('\n', to) != EOF;
}
