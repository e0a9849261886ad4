/* Markdown of reports; see markdown.h. */
#include "bench/report/markdown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/ceilings.h"

/* ------------------------------------------------------------------ host -- */

static void print_disturbances(const bench_recorded *report, FILE *to)
{
    const bench_recorded_host *host = &report->host;
    char text[BENCH_CORE_TO_CORE_BYTES];
    fprintf(to, "Meanwhile other programs had %.1f %% of the cores' time, the host took %.1f %%. "
            "Core to core and back: %s.\n", host->other_percent, host->steal_percent,
            bench_core_to_core_text(&host->core_to_core, text));
    if (bench_cores_are_far(&host->core_to_core))
        fprintf(to, "\n**Warning**: the cores were far apart, at least for a while: rows of "
                "several threads may be disturbed by the machine.\n");
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *c = &report->ceilings[i];
        if (!bench_peak_fell(c->threads, c->per_second, c->worst))
            continue;
        fprintf(to, "\n**Warning**: at times %d thread%s had %.0f of %.0f GFLOP/s (%s)%s.\n",
                c->threads, c->threads > 1 ? "s" : "", c->worst * 1e-9, c->per_second * 1e-9,
                c->simd, c->threads > 1 ? ", as when two share a core" : "");
    }
}

/* The best of that kind; 0 if there is none. */
static double ceiling_of(const bench_recorded *report, int threads, const char *level)
{
    double best = 0;
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *c = &report->ceilings[i];
        bool is_fma = strcmp(c->kind, "fma") == 0;
        if (c->threads == threads && (level ? strcmp(c->level, level) == 0 : is_fma))
            best = fmax(best, c->per_second);
    }
    return best;
}

static void print_ceilings(const bench_recorded *report, FILE *to)
{
    static const char *const levels[] = { "L1", "L2", "L3", "memory" };
    fprintf(to, "\n| ceilings | GFLOP/s | L1 GB/s | L2 GB/s | L3 GB/s | memory GB/s |\n"
                "|---|--:|--:|--:|--:|--:|\n");
    for (int i = 0; i < report->ceiling_count; i++) {
        int threads = report->ceilings[i].threads;
        if (i > 0 && threads == report->ceilings[i - 1].threads)
            continue;
        fprintf(to, "| %d thread%s | %.0f |", threads, threads > 1 ? "s" : "",
                ceiling_of(report, threads, NULL) * 1e-9);
        for (int level = 0; level < 4; level++)
            fprintf(to, " %.0f |", ceiling_of(report, threads, levels[level]) * 1e-9);
        fputc('\n', to);
    }
}

void bench_markdown_host(const bench_recorded *report, FILE *to)
{
    const bench_recorded_host *host = &report->host;
    const char *const facts[][2] = { { "; ", host->kernel },       { "; ", host->compiler },
                                     { "; OpenBLAS as ", host->openblas_core },
                                     { "; governor ", host->governor },
                                     { "; tern ", report->version }, { ", git ", report->git } };
    fprintf(to, "%s, %d core%s", host->cpu, host->cores, host->cores > 1 ? "s" : "");
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (*facts[i][1])
            fprintf(to, "%s%s", facts[i][0], facts[i][1]);
    fprintf(to, "; %.10s.\n", report->date);
    print_disturbances(report, to);
    print_ceilings(report, to);
}

/* ------------------------------------------------------------------ rows -- */

/* Part of what is possible at all; 0 if that is not known. */
static double of_roofline(const bench_recorded_row *row)
{
    return fmax(row->of_fma, row->of_bandwidth);
}

/* The next row, if it is the same with cold caches. */
static const bench_recorded_row *cold_of(const bench_recorded *report, int index)
{
    const bench_recorded_row *row = &report->rows[index], *next = row + 1;
    if (index + 1 == report->row_count || strcmp(row->cache, "hot") != 0 ||
        strcmp(next->cache, "cold") != 0)
        return NULL;
    bool same = strcmp(row->op, next->op) == 0 && strcmp(row->inputs, next->inputs) == 0 &&
                strcmp(row->options, next->options) == 0 && strcmp(row->pass, next->pass) == 0 &&
                strcmp(row->gradients, next->gradients) == 0 &&
                strcmp(row->provider, next->provider) == 0 && strcmp(row->simd, next->simd) == 0;
    return same && row->threads == next->threads ? next : NULL;
}

/* "160.3 ±1.2 %", "" without one. */
static void print_time(const bench_recorded_row *row, FILE *to)
{
    if (!row || !row->time.count)
        fprintf(to, " |");
    else if (row->time.relative_error < 10)
        fprintf(to, " %.1f ±%.1f %% |", row->time.median * 1e6, row->time.relative_error * 100);
    else
        fprintf(to, " %.1f |", row->time.median * 1e6);
}

static void print_problem(const bench_recorded_row *row, FILE *to)
{
    fprintf(to, "| %s %s%s%s%s%s |", row->op, row->inputs, *row->options ? " " : "", row->options,
            *row->gradients ? " for " : "", row->gradients);
}

static void print_row(const bench_recorded_row *row, const bench_recorded_row *cold, FILE *to)
{
    bool is_cold = strcmp(row->cache, "cold") == 0;
    print_problem(row, to);
    fprintf(to, " %s | %s | %d |", row->pass, row->provider, row->threads);
    print_time(is_cold ? NULL : row, to);
    print_time(is_cold ? row : cold, to);
    if (of_roofline(row) > 0)
        fprintf(to, " %.0f %% |", 100 * of_roofline(row));
    else
        fprintf(to, " |");
    if (*row->ratio_to && row->ratio_high > 0)
        fprintf(to, " %.2f (%.2f to %.2f) %s |", row->ratio, row->ratio_low, row->ratio_high,
                row->ratio_to);
    else if (*row->ratio_to)
        fprintf(to, " %.2f %s |", row->ratio, row->ratio_to);
    else
        fprintf(to, " |");
    fprintf(to, " %s |\n", strcmp(row->verdict, "ok") != 0 ? row->verdict
                           : cold && strcmp(cold->verdict, "ok") != 0 ? cold->verdict : "");
}

void bench_markdown_rows(const bench_recorded *report, FILE *to)
{
    fprintf(to, "| problem | pass | provider | threads | hot us | cold us | of the roofline "
                "| x best other | |\n|---|---|---|--:|--:|--:|--:|--:|---|\n");
    for (int i = 0; i < report->row_count; i++) {
        const bench_recorded_row *cold = cold_of(report, i);
        print_row(&report->rows[i], cold, to);
        i += cold != NULL;
    }
}

/* ------------------------------------------------------------------ step -- */

static double seconds_of(const bench_recorded_row *row)
{
    return row->count * row->time.median;
}

static double lost(const bench_recorded_row *row)
{
    return seconds_of(row) * fmax(0, 1 - of_roofline(row));
}

static int by_lost(const void *a, const void *b)
{
    double x = lost(*(const bench_recorded_row *const *)a);
    double y = lost(*(const bench_recorded_row *const *)b);
    return (x < y) - (x > y);
}

/* tern's own with warm caches; the fewest threads first. */
static int take_own(const bench_recorded *report, int threads, const bench_recorded_row **rows,
                    int *untimed)
{
    int count = 0;
    *untimed = 0;
    for (int i = 0; i < report->row_count; i++) {
        const bench_recorded_row *row = &report->rows[i];
        if (row->threads != threads || strcmp(row->provider, "hand") != 0 ||
            strcmp(row->cache, "hot") != 0)
            continue;
        if (bench_row_counts(row))
            rows[count++] = row;
        else
            ++*untimed;
    }
    return count;
}

static void print_step(const bench_recorded_row **rows, int count, int untimed, int most, FILE *to)
{
    double all = 0, left = 0;
    for (int i = 0; i < count; i++) {
        all += seconds_of(rows[i]);
        left += seconds_of(rows[i]) - lost(rows[i]);
    }
    fprintf(to, "\n%d thread%s: all calls of a step take %.2f ms, by their rooflines they would "
            "take %.2f ms", rows[0]->threads, rows[0]->threads > 1 ? "s" : "", 1e3 * all,
            1e3 * left);
    if (untimed)
        fprintf(to, " (without %d problems that were not timed)", untimed);
    fprintf(to, ". Where the difference is:\n\n| problem | pass | calls | us a call | of the "
            "roofline | ms of a step | ms lost |\n|---|---|--:|--:|--:|--:|--:|\n");
    for (int i = 0; i < count && i < most; i++) {
        print_problem(rows[i], to);
        fprintf(to, " %s | %g | %.1f | %.0f %% | %.3f | %.3f |\n", rows[i]->pass, rows[i]->count,
                rows[i]->time.median * 1e6, 100 * of_roofline(rows[i]), 1e3 * seconds_of(rows[i]),
                1e3 * lost(rows[i]));
    }
}

bool bench_markdown_worst(const bench_recorded *report, int most, FILE *to, tern_error *error)
{
    const bench_recorded_row **rows = calloc((size_t)report->row_count + 1, sizeof *rows);
    int done = 0, last = 0;
    if (!rows)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", report->file);
    for (;;) {
        int threads = 0; /* the next number of them */
        for (int i = 0; i < report->row_count; i++)
            if (report->rows[i].threads > last && (!threads || report->rows[i].threads < threads))
                threads = report->rows[i].threads;
        if (!threads)
            break;
        int untimed, count = take_own(report, threads, rows, &untimed);
        qsort(rows, (size_t)count, sizeof *rows, by_lost);
        if (count)
            print_step(rows, count, untimed, most, to);
        done += count;
        last = threads;
    }
    free(rows);
    return done || tern_error_set(error, TERN_ERR_DATA,
                                  "%s: no row of tern's own with warm caches", report->file);
}
