#include "bench/report/write.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/measure/build.h"
#include "bench/report/table.h"
#include "bench/suite/peers.h"
#include "bench/workload/workload.h"
#include "core/host_file.h"
#include "kernels/matmul/openblas.h"

/* What was printed into memory, which is the caller's then; NULL if there was too little.  `to`
 * NULL: it could not be opened. */
static char *closed(FILE *to, char **text)
{
    bool ok = to && !ferror(to);
    if (to && fclose(to) == 0 && ok)
        return *text;
    free(*text);
    return NULL;
}

/* ----------------------------------------------------------------- JSON -- */

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

/* Without infinities, which JSON has none of. */
static json_t *number_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *host_json(const bench_suite *suite)
{
    bench_host host = bench_host_read();
    const bench_disturbance *d = &suite->disturbance;
    const bench_core_to_core *c = &suite->ceilings.core_to_core;
    const char *simd = suite->count ? suite->results[0].simd : "";
    return json_pack("{s:s, s:i, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:f, s:f, s:f, s:f, s:I, s:o}",
                     "cpu", host.cpu, "cores", host.cores, "kernel", host.kernel, "governor",
                     text_or_null(host.governor), "compiler", bench_compiler(), "simd", simd,
                     "openblas_core", text_or_null(tern_openblas_corename()), "huge_pages",
                     text_or_null(host.huge_pages), "virtual_machine", host.virtual_machine,
                     "load_before", d->load_before, "load_after", d->load_after, "steal_percent",
                     d->steal_percent, "other_percent", d->other_percent, "involuntary_switches",
                     (json_int_t)d->involuntary_switches, "core_to_core",
                     c->most > 0 ? json_pack("{s:f, s:f}", "least", c->least, "most", c->most)
                                 : json_null());
}

/* Other processes, and what they say of themselves. */
static json_t *peers_json(const bench_suite *suite)
{
    json_t *list = json_array();
    for (int i = 0; suite->peers && i < suite->settings->peer_count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o}", "name", suite->settings->peers[i].name,
                            "command", suite->settings->peers[i].command, "about",
                            suite->peers->about[i], "cold", text_or_null(suite->peers->cold[i])));
    return list;
}

static json_t *ceilings_json(const bench_suite *suite)
{
    json_t *list = json_array();
    for (int i = 0; i < suite->ceilings.count; i++) {
        const bench_ceiling *c = &suite->ceilings.ceiling[i];
        const char *kind = bench_ceiling_kind_name(c->kind);
        if (!(c->per_second > 0))
            continue;
        json_array_append_new(
            list, c->kind == BENCH_CEILING_FMA
                      ? json_pack("{s:s, s:s, s:i, s:f, s:f}", "kind", kind, "simd", c->simd,
                                  "threads", c->threads, "per_second", c->per_second, "worst",
                                  c->worst)
                      : json_pack("{s:s, s:s, s:i, s:I, s:f}", "kind", kind, "level",
                                  bench_level_name(c->level), "threads", c->threads, "bytes",
                                  (json_int_t)c->bytes, "per_second", c->per_second));
    }
    return list;
}

static json_t *tags_json(const bench_about *about)
{
    json_t *tags = json_object();
    for (int i = 0; i < about->tag_count; i++)
        json_object_set_new(tags, about->tags[i].name, json_string(about->tags[i].value));
    return tags;
}

/* The values of a sweep's letters, "M=8 K=512". */
static json_t *axes_json(const char *axes)
{
    json_t *values = json_object();
    while (*axes) {
        size_t name = strcspn(axes, "="), all = strcspn(axes, " ");
        json_object_setn_new(values, axes, name, json_integer(strtoll(axes + name + 1, NULL, 10)));
        axes += all + (axes[all] == ' ');
    }
    return values;
}

/* To five digits, which is more than clocks and machines are good for: most of a report are
 * samples. */
static double rounded(double seconds)
{
    char text[32];
    snprintf(text, sizeof text, "%.5g", seconds);
    return strtod(text, NULL);
}

/* What is known of whole models besides. */
static void add_model(json_t *row, const bench_result *result)
{
    json_t *distances = json_object();
    for (int i = 0; i < BENCH_DISTANCES; i++)
        if (result->distances[i] != 0)
            json_object_set_new(distances, bench_distance_name((bench_distance)i),
                                json_real(result->distances[i]));
    json_object_set_new(row, "distances", distances);
    json_object_set_new(row, "memory_growth", result->memory_growth < 0
                                                  ? json_null()
                                                  : json_integer(result->memory_growth));
    json_object_set_new(row, "rows", json_integer(result->pass == BENCH_TRAIN
                                                      ? result->of->model->rows : 1));
}

static void add_times(json_t *row, const bench_result *result)
{
    const bench_summary *time = &result->summary;
    json_t *samples = json_array();
    for (int i = 0; i < time->count; i++)
        json_array_append_new(samples, json_real(rounded(result->samples[i])));
    json_object_set_new(row, "samples", samples);
    json_t *more = json_pack(
        "{s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:o, s:s, s:f, s:f, s:{s:f, s:f, s:o}, s:f}",
        "flops", result->flops, "executed_flops", result->executed, "bytes", result->bytes, "n", time->count, "least", time->least,
        "lower_quartile", time->lower_quartile, "median", time->median, "upper_quartile",
        time->upper_quartile, "p99", time->p99, "relative_error",
        number_or_null(time->relative_error), "stopped", bench_stop_name(result->stop), "error",
        isfinite(result->error[0] + result->error[1]) ? fmax(result->error[0], result->error[1])
                                                      : -1.0,
        "tolerance", 1.0, "ceilings", "fma", result->roof.fma_seconds / time->median, "bandwidth",
        result->roof.traffic_seconds / time->median, "level",
        text_or_null(result->roof.seconds > 0 ? bench_level_name(result->roof.level) : NULL),
        "roofline_seconds", result->roof.seconds);
    json_object_update_new(row, more);
    if (result->of->model)
        add_model(row, result);
    if (result->has_ratio)
        json_object_set_new(row, "ratio",
                            json_pack("{s:s, s:f, s:f, s:o}", "to", result->ratio_to, "value",
                                      result->ratio.value, "low", result->ratio.low, "high",
                                      number_or_null(result->ratio.high)));
}

static json_t *row_json(const bench_suite *suite, const bench_result *result,
                        const bench_about *about)
{
    char command[1024], verdict[BENCH_WHY + 16];
    bench_row_command(suite, result, command, sizeof command);
    snprintf(verdict, sizeof verdict, "%s%s", result->skipped ? "skipped: " : "",
             bench_result_verdict(result));
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:f, s:o, s:s, "
        "s:s}",
        "kind", result->of->model ? "model" : "op", "op", bench_case_name(result->of), "inputs",
        result->of->inputs, "options", result->of->options, "pass", bench_pass_name(result->pass),
        "gradients", text_or_null(result->of->gradients), "provider", result->provider, "device",
        result->device,
        "dtype", strcmp(result->device, "ref") == 0 ? "f64" : "f32", "threads", result->threads,
        "simd", result->simd, "cache", result->cold ? "cold" : "hot", "tags",
        tags_json(about), "axes", axes_json(result->of->axes), "count",
        result->of->count, "flags",
        text_or_null(result->flags), "verdict", verdict, "command", command);
    if (row && !result->skipped)
        add_times(row, result);
    return row;
}

/* A row is a line.  `head` is the rest as text, which ends in "\n}". */
static void print_report(FILE *to, const char *head, const bench_suite *suite,
                         const bench_about *about)
{
    fprintf(to, "%.*s,\n \"rows\": [", (int)(strlen(head) - strlen("\n}")), head);
    for (int i = 0; i < suite->count; i++) {
        json_t *row = row_json(suite, &suite->results[i], about);
        fputs(i ? ",\n  " : "\n  ", to);
        json_dumpf(row, to, JSON_REAL_PRECISION(9));
        json_decref(row);
    }
    fputs("\n ]\n}\n", to);
}

static char *as_json(const bench_suite *suite, const bench_about *about)
{
    char date[32] = "", *text = NULL;
    size_t size = 0;
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *report = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o}", "format",
                               "tern bench 1", "date", date, "version", TERN_VERSION, "git",
                               text_or_null(bench_git()), "command", about->command, "host",
                               host_json(suite), "peers", peers_json(suite), "ceilings",
                               ceilings_json(suite));
    char *head = report ? json_dumps(report, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(report);
    FILE *to = head ? open_memstream(&text, &size) : NULL;
    if (to)
        print_report(to, head, suite, about);
    free(head);
    return closed(to, &text);
}

/* --------------------------------------------------------- CSV, Markdown -- */

/* With quotes where CSV needs them, "" for a quote inside. */
static void print_quoted(FILE *to, const char *text)
{
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void print_csv(FILE *to, const bench_suite *suite)
{
    fprintf(to, "op,inputs,options,axes,pass,provider,device,threads,simd,cache,n,median_s,"
                "lower_quartile_s,upper_quartile_s,p99_s,relative_error,gflops,gbytes_per_s,"
                "of_fma,of_roofline,ratio,memory_growth,error,verdict\n");
    for (int i = 0; i < suite->count; i++) {
        const bench_result *r = &suite->results[i];
        const bench_summary *t = &r->summary;
        const char *texts[] = { bench_case_name(r->of), r->of->inputs, r->of->options, r->of->axes,
                                bench_pass_name(r->pass), r->provider, r->device };
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            print_quoted(to, texts[j]);
            fputc(',', to);
        }
        fprintf(to, "%d,%s,%s,", r->threads, r->simd, r->cold ? "cold" : "hot");
        char growth[32] = "";
        if (r->memory_growth >= 0)
            snprintf(growth, sizeof growth, "%" PRId64, r->memory_growth);
        if (r->skipped)
            fprintf(to, ",,,,,,,,,,,,,");
        else
            fprintf(to, "%d,%.9g,%.9g,%.9g,%.9g,%.3g,%.6g,%.6g,%.4g,%.4g,%.4g,%s,%.3g,", t->count,
                    t->median, t->lower_quartile, t->upper_quartile, t->p99, t->relative_error,
                    r->flops / t->median * 1e-9, r->bytes / t->median * 1e-9,
                    r->roof.fma_seconds / t->median, r->roof.seconds / t->median,
                    r->has_ratio ? r->ratio.value : NAN, growth, fmax(r->error[0], r->error[1]));
        print_quoted(to, bench_result_verdict(r));
        fputc('\n', to);
    }
}

static void print_markdown(FILE *to, const bench_suite *suite)
{
    bench_host host = bench_host_read();
    char distance[BENCH_CORE_TO_CORE_BYTES];
    fprintf(to, "%s, %d cores, %s, core to core and back %s\n\n", host.cpu, host.cores, host.kernel,
            bench_core_to_core_text(&suite->ceilings.core_to_core, distance));
    const char *warnings[BENCH_WARNINGS];
    int count = bench_suite_warnings(suite, warnings);
    for (int i = 0; i < count; i++)
        fprintf(to, "**Warning**: %s.\n\n", warnings[i]);
    fprintf(to, "| problem | pass | provider | threads | cache | us | ± %% | "
                "GFLOP/s | GB/s | of FMA | of roofline | x best other | grew MiB | verdict |\n"
                "|---|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n");
    for (int i = 0; i < suite->count; i++) {
        const bench_result *r = &suite->results[i];
        double median = r->summary.median;
        fprintf(to, "| %s %s %s | %s | %s | %d | %s |", bench_case_name(r->of), r->of->inputs,
                r->of->options, bench_pass_name(r->pass), r->provider, r->threads,
                r->cold ? "cold" : "hot");
        if (r->skipped)
            fprintf(to, " | | | | | | | |");
        else
            fprintf(to, " %.1f | %.1f | %.1f | %.1f | %.0f %% | %.0f %% |", median * 1e6,
                    r->summary.relative_error * 100, r->flops / median * 1e-9,
                    r->bytes / median * 1e-9, 100 * r->roof.fma_seconds / median,
                    100 * r->roof.seconds / median);
        if (r->has_ratio)
            fprintf(to, " %.2f (%.2f to %.2f) |", r->ratio.value, r->ratio.low, r->ratio.high);
        else if (!r->skipped)
            fprintf(to, " |");
        if (!r->skipped && r->memory_growth >= 0)
            fprintf(to, " %.1f |", (double)r->memory_growth / 0x1p20);
        else if (!r->skipped)
            fprintf(to, " |");
        fprintf(to, " %s |\n", bench_result_verdict(r));
    }
}

static char *as_text(const bench_suite *suite, void (*print)(FILE *to, const bench_suite *suite))
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to)
        print(to, suite);
    return closed(to, &text);
}

/* ---------------------------------------------------------------- files -- */

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcmp(path + length - end, ending) == 0;
}

bool bench_report_knows(const char *path, tern_error *error)
{
    return ends_in(path, ".json") || ends_in(path, ".csv") || ends_in(path, ".md") ||
           tern_error_set(error, TERN_ERR_ARGUMENT,
                          "%s: a report ends in .json, .csv or .md, which says how it is written",
                          path);
}

bool bench_report_write(const bench_suite *suite, const bench_about *about, const char *path,
                        tern_error *error)
{
    if (!bench_report_knows(path, error))
        return false;
    char *text = ends_in(path, ".json")  ? as_json(suite, about)
                 : ends_in(path, ".csv") ? as_text(suite, print_csv)
                                         : as_text(suite, print_markdown);
    if (!text)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for the report");
    tern_whole_file *file = tern_whole_file_create(path, error);
    bool ok = file && tern_whole_file_write(file, text, strlen(text));
    ok = file && tern_whole_file_finish(file, ok);
    free(text);
    return ok;
}
