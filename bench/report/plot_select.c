/* Rows of plots; see plot_select.h. */
#include "bench/report/plot_select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "fwd hand" wants both. */
static bool holds_words(const char *name, const char *words)
{
    char word[256];
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        if (!strstr(name, word))
            return false;
        at += length;
    }
    return true;
}

const bench_recorded_row **bench_plot_select(const bench_recorded *report, bench_plot_opts opts,
                                             int *count, bench_plot_left *left, tern_error *error)
{
    const bench_recorded_row **rows = malloc(((size_t)report->row_count + 1) * sizeof *rows);
    char name[BENCH_ROW_NAME_BYTES];
    *count = 0;
    *left = (bench_plot_left){ 0 };
    if (!rows)
        tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", report->file);
    for (int i = 0; i < report->row_count && rows; i++) {
        const bench_recorded_row *row = &report->rows[i];
        if (opts.filter && !holds_words(bench_row_name(row, name), opts.filter))
            continue;
        if (bench_row_counts(row))
            rows[(*count)++] = row;
        else
            left->uncounted++;
    }
    return rows;
}

int bench_names_find(bench_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return i;
    if (names->count == BENCH_MOST_NAMES)
        return BENCH_MOST_NAMES - 1;
    names->names[names->count] = name;
    return names->count++;
}

bench_mark bench_mark_of(const char *pass)
{
    return strcmp(pass, "fwd") == 0   ? BENCH_CIRCLE
           : strcmp(pass, "bwd") == 0 ? BENCH_TRIANGLE
                                      : BENCH_SQUARE;
}

void bench_problem_text(const bench_recorded_row *row, char *text, size_t size)
{
    bool tagged = strcmp(row->tags, "{}") != 0;
    snprintf(text, size, "%s %s%s%s%s%s", row->op, row->inputs, *row->options ? " " : "",
             row->options, tagged ? " " : "", tagged ? row->tags : "");
}

void bench_source_text(const bench_recorded *report, char *text, size_t size)
{
    snprintf(text, size, "%s, %d core%s%s%.10s%s%s", report->host.cpu, report->host.cores,
             report->host.cores > 1 ? "s" : "", *report->date ? "; " : "", report->date,
             *report->git ? "; git " : "", report->git);
}

double bench_recorded_peak(const bench_recorded *report, int threads, const char *simd)
{
    double best = 0;
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *c = &report->ceilings[i];
        if (strcmp(c->kind, "fma") == 0 && c->threads == threads && c->per_second > best &&
            (!simd || strcmp(c->simd, simd) == 0))
            best = c->per_second;
    }
    return best;
}

double bench_read_ceiling(const bench_recorded *report, int threads, const char *level)
{
    double read = 0, copy = 0;
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *c = &report->ceilings[i];
        bool is_read = strcmp(c->kind, "read") == 0;
        if (c->threads != threads || strcmp(c->level, level) != 0)
            continue;
        if (is_read && c->per_second > read)
            read = c->per_second;
        else if (strcmp(c->kind, "copy") == 0 && c->per_second > copy)
            copy = c->per_second;
    }
    return read > 0 ? read : copy;
}
