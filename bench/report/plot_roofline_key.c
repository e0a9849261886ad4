/* The key of a roofline plot: a line for each number, with its mark, what it is, and in a
 * column for each panel how fast, and how near the roof over it. */
#include "bench/report/plot_roofline.h"

#include <stdio.h>
#include <string.h>

static const double SIZE = 8, LINE = 12, SPEED = 92, HEAD = 20;

/* Places of columns: number, mark, problem, then from the right. */
static const double MARK_AT = 26, PROBLEM_AT = 36, FACTS = 150;

double bench_roofline_key_height(const bench_roofline *plot)
{
    return HEAD + LINE * plot->entry_count + 24;
}

static void draw_speed(cairo_t *cairo, const bench_recorded_row *row, double right, double y)
{
    char text[48];
    double nearest = row->of_fma > row->of_bandwidth ? row->of_fma : row->of_bandwidth;
    double gflops = 1e-9 * row->executed / row->time.median;
    const char *roof = row->of_fma > row->of_bandwidth ? "FMA" : row->level;
    if (nearest > 0)
        snprintf(text, sizeof text, "%.3g (%.0f %% of %s)", gflops, 100 * nearest, roof);
    else
        snprintf(text, sizeof text, "%.3g", gflops);
    bench_text(cairo, right, y, SIZE, BENCH_RIGHT, text);
}

static void draw_entry(cairo_t *cairo, const bench_roofline *plot, int entry, double left,
                       double y, double width)
{
    const bench_recorded_row *first = NULL;
    char text[BENCH_ROW_NAME_BYTES];
    double speeds = left + width - SPEED * plot->panel_count;
    for (int i = 0; i < plot->count; i++) {
        const bench_recorded_row *row = plot->rows[i];
        if (plot->entry[i] != entry)
            continue;
        first = first ? first : row;
        for (int p = 0; p < plot->panel_count; p++)
            if (plot->threads[p] == row->threads)
                draw_speed(cairo, row, speeds + SPEED * (p + 1), y);
    }
    snprintf(text, sizeof text, "%d", entry + 1);
    bench_text(cairo, left + 16, y, SIZE, BENCH_RIGHT, text);
    bench_problem_text(first, text, sizeof text);
    bench_text_fit(cairo, SIZE, speeds - FACTS - left - PROBLEM_AT - 8, text, sizeof text);
    bench_text(cairo, left + PROBLEM_AT, y, SIZE, BENCH_LEFT, text);
    snprintf(text, sizeof text, "%s  %s  %s  %s", first->pass, first->provider, first->cache,
             first->simd);
    bench_text(cairo, speeds - FACTS, y, SIZE, BENCH_LEFT, text);
    bench_roofline_mark(cairo, plot, first, left + MARK_AT, y - 0.35 * SIZE);
    bench_set_colour(cairo, bench_black);
}

void bench_roofline_key_draw(cairo_t *cairo, const bench_roofline *plot, double left, double top,
                             double width)
{
    char text[64];
    bench_set_colour(cairo, bench_black);
    for (int p = 0; p < plot->panel_count; p++) {
        snprintf(text, sizeof text, "GFLOP/s, %d thread%s", plot->threads[p],
                 plot->threads[p] > 1 ? "s" : "");
        bench_text(cairo, left + width - SPEED * (plot->panel_count - 1 - p), top + 8, SIZE,
                   BENCH_RIGHT, text);
    }
    bench_text(cairo, left + PROBLEM_AT, top + 8, SIZE, BENCH_LEFT,
               "circles fwd, triangles bwd, squares both; hollow: cold caches; colour: provider; "
               "bars: quartiles");
    bench_line(cairo, left, top + 13, left + width, top + 13, 0.6);
    for (int e = 0; e < plot->entry_count; e++)
        draw_entry(cairo, plot, e, left, top + HEAD + 4 + LINE * e, width);
}
