/* The changes of a comparison with their intervals, one below the other; see plot.h. */
#include "bench/report/axis.h"
#include "bench/report/compare_write.h"
#include "bench/report/plot_select.h"

#include <math.h>
#include <stdio.h>

static const double WIDTH = 980, PROBLEMS = 340, FACTS = 180, TIMES = 120, TOP = 66, LINE = 13,
                    BELOW = 40, NAME_SIZE = 8;

/* In per cent: intervals of what is ambiguous do not stretch the axis beyond this, and nothing
 * does beyond those; what is farther ends at the frame. */
static const double AMBIGUOUS_CHANGE = 20, LEAST_CHANGE = -70, MOST_CHANGE = 150;

/* A longer page is none that a person reads. */
enum { MOST_ROWS = 1000 };

static double clamped(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
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
        bench_ratio r = c->rows[i].ratio;
        double reach = c->rows[i].verdict == BENCH_AMBIGUOUS ? AMBIGUOUS_CHANGE : HUGE_VAL;
        low = fmin(low, fmin(100 * (r.value - 1), fmax(100 * (r.low - 1), -reach)));
        high = fmax(high, fmax(100 * (r.value - 1), fmin(100 * (r.high - 1), reach)));
    }
    low = fmax(low, LEAST_CHANGE);
    high = fmin(high, MOST_CHANGE);
    double room = 0.04 * (high - low);
    return (bench_axis){ .low = low - room, .high = high + room, .from = PROBLEMS + FACTS,
                         .to = WIDTH - TIMES };
}

/* The place of a change, or the end of the axis that it lies beyond. */
static double place(const bench_axis *x, double ratio)
{
    return bench_axis_place(x, clamped(100 * (ratio - 1), x->low, x->high));
}

/* What counts lies outside the band. */
static void draw_threshold(cairo_t *cairo, const bench_axis *x, const bench_axis *y, double t)
{
    double left = bench_axis_place(x, 100 * (1 / (1 + t) - 1));
    double right = bench_axis_place(x, 100 * t);
    double none = bench_axis_place(x, 0);
    bench_cairo.set_source_rgb(cairo, 0.93, 0.96, 0.93);
    bench_cairo.rectangle(cairo, left, y->to, right - left, y->from - y->to);
    bench_cairo.fill(cairo);
    bench_set_colour(cairo, bench_grey);
    bench_line(cairo, none, y->to, none, y->from, 0.9);
}

static void draw_texts(cairo_t *cairo, const bench_compared_row *row, double y)
{
    char text[BENCH_ROW_NAME_BYTES], a[BENCH_TIME_BYTES], b[BENCH_TIME_BYTES];
    const bench_recorded_row *of = row->b;
    bench_set_colour(cairo, bench_black);
    bench_problem_text(of, text, sizeof text);
    bench_text_fit(cairo, NAME_SIZE, PROBLEMS - 20, text, sizeof text);
    bench_text(cairo, 12, y, NAME_SIZE, BENCH_LEFT, text);
    snprintf(text, sizeof text, "%s %s %s %s %s, %d thread%s", of->pass, of->provider, of->dtype,
             of->simd, of->cache, of->threads, of->threads > 1 ? "s" : "");
    bench_text_fit(cairo, NAME_SIZE, FACTS - 6, text, sizeof text);
    bench_text(cairo, PROBLEMS, y, NAME_SIZE, BENCH_LEFT, text);
    snprintf(text, sizeof text, "%s \u2192 %s", bench_time_text(row->a->time.median, a),
             bench_time_text(of->time.median, b));
    bench_text(cairo, WIDTH - 10, y, NAME_SIZE, BENCH_RIGHT, text);
}

/* The interval with its ends, but an end that lies beyond the axis has none. */
static void draw_row(cairo_t *cairo, const bench_compared_row *row, const bench_axis *x, double y)
{
    double ends[2] = { place(x, row->ratio.low), place(x, row->ratio.high) };
    draw_texts(cairo, row, y + 3);
    bench_set_colour(cairo, colour_of(row->verdict));
    bench_line(cairo, ends[0], y, ends[1], y, 1.4);
    for (int i = 0; i < 2; i++)
        if (ends[i] > x->from && ends[i] < x->to)
            bench_line(cairo, ends[i], y - 2.5, ends[i], y + 2.5, 1);
    bench_draw_mark(cairo, place(x, row->ratio.value), y, 3,
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
        snprintf(counts, sizeof counts, "%d %s", c->counts[v],
                 bench_verdict_name((bench_verdict)v));
        bench_set_colour(cairo, colour_of((bench_verdict)v));
        bench_text(cairo, at, 50, 9, BENCH_LEFT, counts);
        at += bench_text_width(cairo, 9, counts) + 14;
    }
    bench_set_colour(cairo, bench_black);
    snprintf(counts, sizeof counts, "the first %d of %d rows drawn", count, c->row_count);
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
