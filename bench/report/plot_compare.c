/* The changes of a comparison with their intervals, one below the other; see plot.h. */
#include "bench/report/axis.h"
#include "bench/report/compare_write.h"
#include "bench/report/plot_select.h"

#include <math.h>
#include <stdio.h>

static const double WIDTH = 860, NAMES = 400, TIMES = 130, TOP = 66, LINE = 13, BELOW = 40,
                    NAME_SIZE = 8;

/* Changes beyond these, in per cent, are drawn at the edge. */
static const double LEAST_CHANGE = -70, MOST_CHANGE = 150;

/* A longer page is none that a person reads. */
enum { MOST_ROWS = 1000 };

static double per_cent(double ratio)
{
    return fmin(fmax(100 * (ratio - 1), LEAST_CHANGE), MOST_CHANGE);
}

static bench_colour colour_of(bench_verdict verdict)
{
    static const bench_colour colours[] = { [BENCH_SLOWER] = { 0.84, 0.37, 0 },
                                            [BENCH_FASTER] = { 0, 0.45, 0.70 },
                                            [BENCH_AMBIGUOUS] = { 0.75, 0.55, 0 },
                                            [BENCH_SAME] = { 0.45, 0.45, 0.45 } };
    return colours[verdict];
}

static bench_axis find_x(const bench_comparison *c, int count)
{
    double low = -200 * c->opts.threshold, high = 200 * c->opts.threshold;
    for (int i = 0; i < count; i++) {
        low = fmin(low, per_cent(c->rows[i].ratio.low));
        high = fmax(high, per_cent(c->rows[i].ratio.high));
    }
    double room = 0.04 * (high - low);
    return (bench_axis){ .low = low - room, .high = high + room, .from = NAMES + 12,
                         .to = WIDTH - TIMES };
}

/* What counts lies outside the white band. */
static void draw_threshold(cairo_t *cairo, const bench_axis *x, const bench_axis *y, double t)
{
    double left = bench_axis_place(x, 100 * (1 / (1 + t) - 1)), right = bench_axis_place(x, 100 * t);
    double none = bench_axis_place(x, 0);
    cairo_set_source_rgb(cairo, 0.93, 0.96, 0.93);
    cairo_rectangle(cairo, left, y->to, right - left, y->from - y->to);
    cairo_fill(cairo);
    bench_set_colour(cairo, bench_grey);
    bench_line(cairo, none, y->to, none, y->from, 0.9);
}

static void draw_row(cairo_t *cairo, const bench_compared_row *row, const bench_axis *x, double y)
{
    char name[BENCH_ROW_NAME_BYTES], a[BENCH_TIME_BYTES], b[BENCH_TIME_BYTES];
    char times[2 * BENCH_TIME_BYTES + 4];
    double low = bench_axis_place(x, per_cent(row->ratio.low));
    double high = bench_axis_place(x, per_cent(row->ratio.high));
    bench_row_name(row->b, name);
    bench_set_colour(cairo, bench_black);
    bench_text_fit(cairo, NAME_SIZE, NAMES - 8, name, sizeof name);
    bench_text(cairo, NAMES + 4, y + 3, NAME_SIZE, BENCH_RIGHT, name);
    snprintf(times, sizeof times, "%s \u2192 %s", bench_time_text(row->a->time.median, a),
             bench_time_text(row->b->time.median, b));
    bench_text(cairo, WIDTH - 10, y + 3, NAME_SIZE, BENCH_RIGHT, times);
    bench_set_colour(cairo, colour_of(row->verdict));
    bench_line(cairo, low, y, high, y, 1.4);
    bench_line(cairo, low, y - 2.5, low, y + 2.5, 1);
    bench_line(cairo, high, y - 2.5, high, y + 2.5, 1);
    bench_draw_mark(cairo, bench_axis_place(x, per_cent(row->ratio.value)), y, 3,
                    row->verdict == BENCH_SAME        ? BENCH_CIRCLE
                    : row->verdict == BENCH_AMBIGUOUS ? BENCH_DIAMOND
                                                      : BENCH_SQUARE,
                    row->verdict == BENCH_AMBIGUOUS);
}

static void draw_head(cairo_t *cairo, const bench_comparison *c, int count)
{
    char text[640], counts[128];
    double at = 12;
    bench_set_colour(cairo, bench_black);
    snprintf(text, sizeof text, "%s \u2192 %s", c->a->file, c->b->file);
    bench_text(cairo, 12, 18, 11, BENCH_LEFT,
               bench_text_fit(cairo, 11, WIDTH - 24, text, sizeof text));
    bench_source_text(c->b, text, sizeof text);
    bench_text_fit(cairo, 9, WIDTH - 24, text, sizeof text);
    bench_text(cairo, 12, 33, 9, BENCH_LEFT, text);
    for (int v = 0; v < BENCH_VERDICTS; v++) {
        snprintf(counts, sizeof counts, "%d %s", c->counts[v], bench_verdict_name((bench_verdict)v));
        bench_set_colour(cairo, colour_of((bench_verdict)v));
        bench_text(cairo, at, 50, 9, BENCH_LEFT, counts);
        at += bench_text_width(cairo, 9, counts) + 14;
    }
    bench_set_colour(cairo, bench_black);
    snprintf(counts, sizeof counts, "%s%d of %d rows drawn", count < c->row_count ? "the first " : "",
             count, c->row_count);
    if (count < c->row_count)
        bench_text(cairo, at, 50, 9, BENCH_LEFT, counts);
}

bool bench_plot_compare(const bench_comparison *comparison, const char *path, tern_error *error)
{
    bench_canvas page;
    int count = comparison->row_count < MOST_ROWS ? comparison->row_count : MOST_ROWS;
    double height = TOP + LINE * count + BELOW;
    if (count == 0)
        return tern_error_set(error, TERN_ERR_DATA, "%s: no row was compared", path);
    if (!bench_canvas_open(&page, path, WIDTH, height, error))
        return false;
    bench_axis x = find_x(comparison, count);
    const bench_axis y = { .high = 1, .from = TOP + LINE * count, .to = TOP, .tick_count = -1 };
    draw_head(page.cairo, comparison, count);
    draw_threshold(page.cairo, &x, &y, comparison->opts.threshold);
    bench_axes_draw(page.cairo, &x, &y, "change of the median time, %", "");
    for (int i = 0; i < count; i++)
        draw_row(page.cairo, &comparison->rows[i], &x, TOP + LINE * (i + 0.5));
    return bench_canvas_finish(&page);
}
