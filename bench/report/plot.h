/* Plots of a report.  Each is one page, SVG or PNG by the ending of its name. */
#ifndef TERN_BENCH_REPORT_PLOT_H
#define TERN_BENCH_REPORT_PLOT_H

#include "bench/report/compare.h"
#include "bench/report/read.h"

typedef struct bench_plot_opts {
    const char *filter; /* only rows whose name (bench_row_name) holds all its words; NULL: all */
} bench_plot_opts;

/* What a plot did not show, for the caller to tell: rows that do not count (skipped, suspect,
 * wrong), and such as have no place in it (no FLOPs; not along an axis). */
typedef struct bench_plot_left {
    int uncounted, unplaced, shown;
} bench_plot_left;

/* The roofline model (Williams, Waterman and Patterson 2009): FLOP/s over FLOPs a byte, both
 * logarithmic, by the op's own counts; the measured ceilings as roofs; a numbered point for
 * each row, with its quartiles, and a key of the numbers.  One panel for each number of
 * threads, whose roofs differ.  Errors: TERN_ERR_DATA if nothing can be drawn. */
bool bench_plot_roofline(const bench_recorded *report, bench_plot_opts opts, const char *path,
                         bench_plot_left *left, tern_error *error);

/* Rows that differ in a size (bench/report/sweep.h): FLOP/s over that size, one line for each
 * provider, pass and number of threads, a band between its quartiles; one panel for each
 * problem that is swept.  Errors: as above. */
bool bench_plot_scaling(const bench_recorded *report, bench_plot_opts opts, const char *path,
                        bench_plot_left *left, tern_error *error);

/* Each row's change with its interval, in the order of the comparison; the threshold as a
 * band. */
bool bench_plot_compare(const bench_comparison *comparison, const char *path, tern_error *error);

#endif
