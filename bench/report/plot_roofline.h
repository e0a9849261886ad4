/* The parts of a roofline plot; bench_plot_roofline (plot.h) puts them on a page. */
#ifndef TERN_BENCH_REPORT_PLOT_ROOFLINE_H
#define TERN_BENCH_REPORT_PLOT_ROOFLINE_H

#include "bench/report/axis.h"
#include "bench/report/labels.h"
#include "bench/report/plot_select.h"

/* Rows that are alike but for the number of threads are one entry: they have one number. */
typedef struct bench_roofline {
    const bench_recorded *report;
    const bench_recorded_row **rows;
    int *entry;              /* [count], of each row, from 0 on             */
    int count, entry_count;
    int threads[4];          /* of each panel                               */
    int panel_count;
    bench_names providers;
    bench_axis x, y;         /* FLOPs a byte, GFLOP/s; the same in all panels */
} bench_roofline;

enum { BENCH_MOST_PANELS = 4 };

/* Roofs of so many threads, with their names; labels of points stay off both. */
void bench_roofs_draw(cairo_t *cairo, const bench_roofline *plot, int threads,
                      bench_obstacles *obstacles);

/* The key below the panels: what each number is and how fast. */
double bench_roofline_key_height(const bench_roofline *plot);
void bench_roofline_key_draw(cairo_t *cairo, const bench_roofline *plot, double left, double top,
                             double width);

/* The mark of a row at a place, in its provider's colour, which stays set. */
void bench_roofline_mark(cairo_t *cairo, const bench_roofline *plot,
                         const bench_recorded_row *row, double x, double y);

#endif
