/* An axis of a plot: from values to places, its ticks, its grid. */
#ifndef TERN_BENCH_REPORT_AXIS_H
#define TERN_BENCH_REPORT_AXIS_H

#include "bench/report/canvas.h"

typedef struct bench_axis {
    double low, high; /* values at its ends               */
    double from, to;  /* their places, in points          */
    bool is_log;
    const double *ticks; /* [tick_count] values to show; NULL: round ones */
    int tick_count;      /* -1: no ticks at all                            */
} bench_axis;

double bench_axis_place(const bench_axis *axis, double value);

/* Values that are round and cover [low, high]: of a log axis 1, 2 and 5 times powers of ten;
 * of another, up to about eight.  Returns how many, at most BENCH_MOST_TICKS. */
enum { BENCH_MOST_TICKS = 40 };
int bench_axis_ticks(const bench_axis *axis, double ticks[BENCH_MOST_TICKS]);

/* The frame of a plot with a grid, ticks and their numbers: x below, y on the left.  Numbers
 * that would lie on the one before are left out. */
void bench_axes_draw(cairo_t *cairo, const bench_axis *x, const bench_axis *y, const char *x_title,
                     const char *y_title);

#endif
