/* Reading reports; see read.h. */
#include "bench/report/read.h"

#include "core/host_file.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "tern bench 1";

/* Beyond these it is no measurement, and beyond the numbers that a plot can be drawn of. */
static const double LEAST_SECONDS = 1e-12, MOST_SECONDS = 1e9, MOST_NUMBER = 1e24;

struct bench_recorded_memory {
    json_t *json;
    char *file;
};

/* Where the reader is: "rows[3]"; "" at the top. */
typedef struct place {
    const char *file;
    char text[64];
    tern_error *error;
} place;

/* "FILE: rows[3].KEY: what is wrong" */
static bool wrong(const place *at, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool wrong(const place *at, const char *key, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *dot = *at->text && *key && *key != '[' ? "." : "";
    return tern_error_set(at->error, TERN_ERR_FORMAT, "%s: %s%s%s: %s", at->file, at->text, dot,
                          key, what);
}

/* ---------------------------------------------------------------- values -- */

static const char *kind_of(const json_t *value)
{
    static const char *const kinds[] = { "an object", "an array", "a text", "a number", "a number",
                                         "true", "false", "null" };
    return value ? kinds[json_typeof(value)] : "nothing";
}

/* A text that must be there. */
static bool take_text(const place *at, const json_t *from, const char *key, const char **text)
{
    const json_t *value = json_object_get(from, key);
    *text = json_string_value(value);
    return *text || wrong(at, key, "a text wanted, not %s", kind_of(value));
}

/* One that may be missing or null: "". */
static bool take_known_text(const place *at, const json_t *from, const char *key, const char **text)
{
    const json_t *value = json_object_get(from, key);
    *text = "";
    return !value || json_is_null(value) || take_text(at, from, key, text);
}

/* A number that is 0 or at least `least`; 0 where it is missing or null. */
static bool take_number_from(const place *at, const json_t *from, const char *key,
                             double least, double *number)
{
    const json_t *value = json_object_get(from, key);
    *number = json_number_value(value);
    if (value && !json_is_null(value) && !json_is_number(value))
        return wrong(at, key, "a number wanted, not %s", kind_of(value));
    return *number == 0 || (*number >= least && *number <= MOST_NUMBER) ||
           wrong(at, key, "0 or a number from %g to %g wanted, not %g", least, MOST_NUMBER,
                 *number);
}

static bool take_known_number(const place *at, const json_t *from, const char *key, double *number)
{
    return take_number_from(at, from, key, 0, number);
}

static bool take_count(const place *at, const json_t *from, const char *key, int *count)
{
    const json_t *value = json_object_get(from, key);
    json_int_t number = json_integer_value(value);
    *count = (int)number;
    if (!json_is_integer(value))
        return wrong(at, key, "a whole number wanted, not %s", kind_of(value));
    return (number >= 1 && number <= 1 << 20) ||
           wrong(at, key, "a number from 1 to 1048576 wanted, not %lld", (long long)number);
}

static bool take_list(const place *at, const json_t *from, const char *key, const json_t **list)
{
    *list = json_object_get(from, key);
    return json_is_array(*list) || wrong(at, key, "an array wanted, not %s", kind_of(*list));
}

/* ------------------------------------------------------------------ rows -- */

static bool take_samples(const place *at, const json_t *from, bench_recorded_row *row)
{
    char key[64];
    const json_t *list = json_object_get(from, "samples");
    if (!list || json_is_null(list))
        return true; /* skipped */
    if (!take_list(at, from, "samples", &list))
        return false;
    size_t count = json_array_size(list);
    row->samples = malloc((count + 1) * sizeof *row->samples);
    if (!row->samples)
        return tern_error_set(at->error, TERN_ERR_MEMORY, "%s: out of memory", at->file);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        row->samples[i] = json_number_value(value);
        snprintf(key, sizeof key, "samples[%zu]", i);
        if (!json_is_number(value))
            return wrong(at, key, "a number wanted, not %s", kind_of(value));
        if (!(row->samples[i] >= LEAST_SECONDS && row->samples[i] <= MOST_SECONDS))
            return wrong(at, key, "a time from %g to %g seconds wanted, not %g", LEAST_SECONDS,
                         MOST_SECONDS, row->samples[i]);
    }
    row->time.count = (int)count;
    return true;
}

/* What the file says of its samples must be so. */
static bool check_statistics(const place *at, const json_t *from, const bench_summary *time)
{
    const json_t *n = json_object_get(from, "n"), *median = json_object_get(from, "median");
    if (n && json_integer_value(n) != time->count)
        return wrong(at, "n", "is %lld, but there are %d samples",
                     (long long)json_integer_value(n), time->count);
    /* Samples are written with five digits. */
    if (median && !(fabs(json_number_value(median) - time->median) <= 1e-4 * time->median))
        return wrong(at, "median", "is %g, but that of the samples is %g",
                     json_number_value(median), time->median);
    return true;
}

static bool take_row_ceilings(const place *at, const json_t *from, bench_recorded_row *row)
{
    const json_t *of = json_object_get(from, "ceilings");
    row->level = "";
    if (!of || json_is_null(of))
        return true;
    if (!json_is_object(of))
        return wrong(at, "ceilings", "an object wanted, not %s", kind_of(of));
    return take_known_number(at, of, "fma", &row->of_fma) &&
           take_known_number(at, of, "bandwidth", &row->of_bandwidth) &&
           take_known_text(at, of, "level", &row->level);
}

static bool take_ratio(const place *at, const json_t *from, bench_recorded_row *row)
{
    const json_t *of = json_object_get(from, "ratio");
    row->ratio_to = "";
    if (!of || json_is_null(of))
        return true;
    if (!json_is_object(of))
        return wrong(at, "ratio", "an object wanted, not %s", kind_of(of));
    return take_text(at, of, "to", &row->ratio_to) &&
           take_known_number(at, of, "value", &row->ratio) &&
           take_known_number(at, of, "low", &row->ratio_low) &&
           take_known_number(at, of, "high", &row->ratio_high);
}

static bool take_uses(const place *at, const json_t *from, bench_recorded_row *row)
{
    if (!take_known_number(at, from, "count", &row->count))
        return false;
    if (row->count == 0)
        row->count = 1;
    return true;
}

/* Kept as text within the JSON itself, so that it lives as long. */
static bool take_tags(const place *at, json_t *from, bench_recorded_row *row)
{
    const json_t *tags = json_object_get(from, "tags");
    row->tags = "{}";
    if (!tags || json_is_null(tags))
        return true;
    if (!json_is_object(tags))
        return wrong(at, "tags", "an object wanted, not %s", kind_of(tags));
    char *text = json_dumps(tags, JSON_SORT_KEYS | JSON_COMPACT);
    json_t *kept = text ? json_string(text) : NULL;
    free(text);
    if (!kept || json_object_set_new(from, "tags as text", kept) != 0)
        return tern_error_set(at->error, TERN_ERR_MEMORY, "%s: out of memory", at->file);
    row->tags = json_string_value(kept);
    return true;
}

/* Reports from before it was told have none. */
static bool take_executed(const place *at, const json_t *from, bench_recorded_row *row)
{
    if (!take_number_from(at, from, "executed_flops", 1, &row->executed))
        return false;
    if (!(row->executed > 0))
        row->executed = row->flops;
    return true;
}

static bool take_row(const place *at, json_t *from, bench_recorded_row *row)
{
    if (!json_is_object(from))
        return wrong(at, "", "an object wanted, not %s", kind_of(from));
    return take_text(at, from, "op", &row->op) && take_text(at, from, "inputs", &row->inputs) &&
           take_text(at, from, "options", &row->options) &&
           take_text(at, from, "pass", &row->pass) &&
           take_known_text(at, from, "gradients", &row->gradients) &&
           take_text(at, from, "provider", &row->provider) &&
           take_text(at, from, "device", &row->device) &&
           take_text(at, from, "dtype", &row->dtype) &&
           take_count(at, from, "threads", &row->threads) &&
           take_known_text(at, from, "simd", &row->simd) &&
           take_text(at, from, "cache", &row->cache) && take_tags(at, from, row) &&
           take_number_from(at, from, "flops", 1, &row->flops) &&
           take_number_from(at, from, "bytes", 1, &row->bytes) &&
           take_text(at, from, "verdict", &row->verdict) &&
           take_known_text(at, from, "command", &row->command) &&
           take_executed(at, from, row) && take_row_ceilings(at, from, row) && take_uses(at, from, row) &&
           take_ratio(at, from, row) && take_samples(at, from, row);
}

/* Statistics of all rows; scratch holds as many values as the longest list of samples. */
static bool summarise(place *at, const json_t *list, bench_recorded *report, double *scratch)
{
    for (int i = 0; i < report->row_count; i++) {
        bench_recorded_row *row = &report->rows[i];
        snprintf(at->text, sizeof at->text, "rows[%d]", i);
        row->time = bench_summarise(row->samples, row->time.count, scratch);
        if (row->time.count &&
            !check_statistics(at, json_array_get(list, (size_t)i), &row->time))
            return false;
    }
    return true;
}

static bool take_rows(place *at, const json_t *json, bench_recorded *report)
{
    const json_t *list;
    int longest = 0;
    if (!take_list(at, json, "rows", &list))
        return false;
    report->rows = calloc(json_array_size(list) + 1, sizeof *report->rows);
    if (!report->rows)
        return tern_error_set(at->error, TERN_ERR_MEMORY, "%s: out of memory", at->file);
    for (size_t i = 0; i < json_array_size(list); i++) {
        bench_recorded_row *row = &report->rows[report->row_count++];
        snprintf(at->text, sizeof at->text, "rows[%zu]", i);
        if (!take_row(at, json_array_get(list, i), row))
            return false;
        longest = row->time.count > longest ? row->time.count : longest;
    }
    double *scratch = malloc((size_t)(longest + 1) * sizeof *scratch);
    bool ok = scratch ? summarise(at, list, report, scratch)
                      : tern_error_set(at->error, TERN_ERR_MEMORY, "%s: out of memory", at->file);
    free(scratch);
    return ok;
}

/* ------------------------------------------------------------ everything -- */

static bool take_ceilings(place *at, const json_t *json, bench_recorded *report)
{
    const json_t *list;
    if (!take_list(at, json, "ceilings", &list))
        return false;
    report->ceilings = calloc(json_array_size(list) + 1, sizeof *report->ceilings);
    if (!report->ceilings)
        return tern_error_set(at->error, TERN_ERR_MEMORY, "%s: out of memory", at->file);
    for (size_t i = 0; i < json_array_size(list); i++) {
        bench_recorded_ceiling *c = &report->ceilings[report->ceiling_count++];
        const json_t *from = json_array_get(list, i);
        snprintf(at->text, sizeof at->text, "ceilings[%zu]", i);
        if (!take_text(at, from, "kind", &c->kind) ||
            !take_known_text(at, from, "simd", &c->simd) ||
            !take_known_text(at, from, "level", &c->level) ||
            !take_count(at, from, "threads", &c->threads) ||
            !take_known_number(at, from, "bytes", &c->bytes) ||
            !take_number_from(at, from, "per_second", 1, &c->per_second) ||
            !take_number_from(at, from, "worst", 1, &c->worst))
            return false;
        if (!(c->per_second > 0))
            return wrong(at, "per_second", "a rate above 0 wanted");
    }
    at->text[0] = '\0';
    return true;
}

static bool take_core_to_core(const place *at, const json_t *from, bench_core_to_core *taken)
{
    const json_t *of = json_object_get(from, "core_to_core");
    if (!of || json_is_null(of))
        return true;
    if (!json_is_object(of))
        return wrong(at, "core_to_core", "an object wanted, not %s", kind_of(of));
    return take_number_from(at, of, "least", LEAST_SECONDS, &taken->least) &&
           take_number_from(at, of, "most", LEAST_SECONDS, &taken->most) &&
           (taken->least <= taken->most ||
            wrong(at, "core_to_core", "the least is %g, but the most %g", taken->least,
                  taken->most));
}

static bool take_host(place *at, const json_t *json, bench_recorded_host *host)
{
    const json_t *from = json_object_get(json, "host");
    if (!json_is_object(from))
        return wrong(at, "host", "an object wanted, not %s", kind_of(from));
    snprintf(at->text, sizeof at->text, "host");
    bool ok = take_known_text(at, from, "cpu", &host->cpu) &&
              take_known_text(at, from, "kernel", &host->kernel) &&
              take_known_text(at, from, "governor", &host->governor) &&
              take_known_text(at, from, "compiler", &host->compiler) &&
              take_known_text(at, from, "simd", &host->simd) &&
              take_known_text(at, from, "openblas_core", &host->openblas_core) &&
              take_count(at, from, "cores", &host->cores) &&
              take_known_number(at, from, "load_before", &host->load_before) &&
              take_known_number(at, from, "steal_percent", &host->steal_percent) &&
              take_known_number(at, from, "other_percent", &host->other_percent) &&
              take_core_to_core(at, from, &host->core_to_core);
    at->text[0] = '\0';
    return ok;
}

static bool take_all(place *at, const json_t *json, bench_recorded *report)
{
    const char *format = json_string_value(json_object_get(json, "format"));
    if (!format || strncmp(format, "tern bench ", 11) != 0)
        return tern_error_set(at->error, TERN_ERR_FORMAT,
                              "%s: not a report of `tern bench --out`: its \"format\" is %s, "
                              "\"%s\" wanted", at->file,
                              format ? format : kind_of(json_object_get(json, "format")), FORMAT);
    if (strcmp(format, FORMAT) != 0)
        return tern_error_set(at->error, TERN_ERR_FORMAT,
                              "%s: its format is \"%s\"; this program reads \"%s\"", at->file,
                              format, FORMAT);
    return take_known_text(at, json, "date", &report->date) &&
           take_known_text(at, json, "version", &report->version) &&
           take_known_text(at, json, "git", &report->git) &&
           take_known_text(at, json, "command", &report->command) &&
           take_host(at, json, &report->host) && take_ceilings(at, json, report) &&
           take_rows(at, json, report);
}

bench_recorded *bench_recorded_parse(const char *name, const char *text, size_t size,
                                     tern_error *error)
{
    json_error_t problem = { .line = -1 };
    bench_recorded *report = calloc(1, sizeof *report);
    place at = { .file = name, .error = error };
    if (report)
        report->memory = calloc(1, sizeof *report->memory);
    if (!report || !report->memory || !(report->memory->file = strdup(name))) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", name);
        bench_recorded_free(report);
        return NULL;
    }
    report->file = report->memory->file;
    json_t *json = json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES, &problem);
    report->memory->json = json;
    bool ok = json || tern_error_set(error, TERN_ERR_FORMAT, "%s: line %d, column %d: not JSON: %s",
                                     name, problem.line, problem.column, problem.text);
    if (!ok || !take_all(&at, json, report)) {
        bench_recorded_free(report);
        return NULL;
    }
    return report;
}

bench_recorded *bench_recorded_read(const char *path, tern_error *error)
{
    tern_mapping mapping;
    if (!tern_map_file(path, &mapping, error))
        return NULL;
    bench_recorded *report =
        bench_recorded_parse(path, (const char *)mapping.bytes, mapping.size, error);
    tern_unmap_file(&mapping);
    return report;
}

void bench_recorded_free(bench_recorded *report)
{
    if (!report)
        return;
    for (int i = 0; i < report->row_count; i++)
        free(report->rows[i].samples);
    free(report->rows);
    free(report->ceilings);
    if (report->memory) {
        json_decref(report->memory->json);
        free(report->memory->file);
    }
    free(report->memory);
    free(report);
}

bool bench_row_counts(const bench_recorded_row *row)
{
    return row->time.count > 0 && strcmp(row->verdict, "ok") == 0;
}

char *bench_row_name(const bench_recorded_row *row, char name[BENCH_ROW_NAME_BYTES])
{
    bool has_options = *row->options != '\0', is_cpu = strcmp(row->device, "cpu") == 0;
    bool has_tags = strcmp(row->tags, "{}") != 0;
    snprintf(name, BENCH_ROW_NAME_BYTES, "%s %s%s%s %s%s%s %s %s%s%s%s%s %d thread%s %s%s%s",
             row->op, row->inputs, has_options ? " " : "", row->options, row->pass,
             *row->gradients ? " for " : "", row->gradients, row->provider,
             row->dtype, is_cpu ? "" : " ", is_cpu ? "" : row->device, *row->simd ? " " : "",
             row->simd, row->threads, row->threads > 1 ? "s" : "", row->cache,
             has_tags ? " " : "", has_tags ? row->tags : "");
    return name;
}
