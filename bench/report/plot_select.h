/* What the plots share: which rows they show, and how rows look. */
#ifndef TERN_BENCH_REPORT_PLOT_SELECT_H
#define TERN_BENCH_REPORT_PLOT_SELECT_H

#include "bench/report/canvas.h"
#include "bench/report/plot.h"

/* Rows that count and pass the filter, in the file's order; NULL if memory is out.  What does
 * not count is counted. */
const bench_recorded_row **bench_plot_select(const bench_recorded *report, bench_plot_opts opts,
                                             int *count, bench_plot_left *left, tern_error *error);

/* Different texts in the order of their first appearance, which gives each its colour. */
enum { BENCH_MOST_NAMES = 64 };
typedef struct bench_names {
    const char *names[BENCH_MOST_NAMES];
    int count;
} bench_names;

/* The place of a name, which is added if it is new; the last place if there is no room. */
int bench_names_find(bench_names *names, const char *name);

bench_mark bench_mark_of(const char *pass);

/* "matmul a=[512,512] b=[512,512]" */
void bench_problem_text(const bench_recorded_row *row, char *text, size_t size);

/* "AMD EPYC, 2 cores; 2026-11-22; git bf9abe2": whose timings these are. */
void bench_source_text(const bench_recorded *report, char *text, size_t size);

/* FLOP/s of the best multiply-add loop on so many threads, at a SIMD level or (NULL) any; 0 if
 * it was not measured.  And bytes a second from a level, read rather than copied. */
double bench_recorded_peak(const bench_recorded *report, int threads, const char *simd);
double bench_read_ceiling(const bench_recorded *report, int threads, const char *level);

#endif
