/* The page of a roofline plot: title, panels, key. */
#include "bench/report/plot_roofline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double WIDTH = 760, PANEL_HEIGHT = 340, LEFT = 50, RIGHT = 12, TOP = 46,
                    BELOW = 60, MARK = 3.4, NUMBER_SIZE = 8;

static double intensity(const bench_recorded_row *row)
{
    return row->executed / row->bytes;
}

/* ------------------------------------------------------------------- data -- */

/* Alike but for the number of threads? */
static bool is_one_entry(const bench_recorded_row *a, const bench_recorded_row *b)
{
    return !strcmp(a->op, b->op) && !strcmp(a->inputs, b->inputs) &&
           !strcmp(a->options, b->options) && !strcmp(a->pass, b->pass) &&
           !strcmp(a->provider, b->provider) && !strcmp(a->device, b->device) &&
           !strcmp(a->dtype, b->dtype) && !strcmp(a->simd, b->simd) &&
           !strcmp(a->cache, b->cache) && !strcmp(a->tags, b->tags);
}

static void number_entries(bench_roofline *plot)
{
    for (int i = 0; i < plot->count; i++) {
        int same = 0;
        while (same < i && !is_one_entry(plot->rows[same], plot->rows[i]))
            same++;
        plot->entry[i] = same < i ? plot->entry[same] : plot->entry_count++;
        bench_names_find(&plot->providers, plot->rows[i]->provider);
    }
}

static bool find_panels(bench_roofline *plot, tern_error *error)
{
    for (int i = 0; i < plot->count; i++) {
        int threads = plot->rows[i]->threads, p = 0;
        while (p < plot->panel_count && plot->threads[p] < threads)
            p++;
        if (p < plot->panel_count && plot->threads[p] == threads)
            continue;
        if (plot->panel_count == BENCH_MOST_PANELS)
            return tern_error_set(error, TERN_ERR_DATA,
                                  "%s: more than %d numbers of threads for one plot; a filter, "
                                  "such as \"1 thread\", leaves some out", plot->report->file,
                                  BENCH_MOST_PANELS);
        for (int at = plot->panel_count++; at > p; at--)
            plot->threads[at] = plot->threads[at - 1];
        plot->threads[p] = threads;
    }
    return true;
}

/* From under the lowest point to above the highest roof; wide enough for the ridges, where
 * the model turns: that of memory at the right, that of the fastest cache at the left. */
static void find_axes(bench_roofline *plot)
{
    double low_x = HUGE_VAL, high_x = 0, low_y = HUGE_VAL, high_y = 0;
    for (int i = 0; i < plot->count; i++) {
        const bench_recorded_row *row = plot->rows[i];
        low_x = fmin(low_x, intensity(row));
        high_x = fmax(high_x, intensity(row));
        low_y = fmin(low_y, 1e-9 * row->executed / row->time.upper_quartile);
        high_y = fmax(high_y, 1e-9 * row->executed / row->time.lower_quartile);
    }
    for (int p = 0; p < plot->panel_count; p++) {
        double top = bench_recorded_peak(plot->report, plot->threads[p], NULL);
        double memory = bench_read_ceiling(plot->report, plot->threads[p], "memory");
        high_y = fmax(high_y, 1e-9 * top);
        if (top > 0 && memory > 0)
            high_x = fmax(high_x, top / memory);
        for (int i = 0; i < plot->report->ceiling_count && top > 0; i++) {
            const bench_recorded_ceiling *c = &plot->report->ceilings[i];
            double rate = bench_read_ceiling(plot->report, plot->threads[p], c->level);
            if (*c->level && rate > 0)
                low_x = fmin(low_x, top / rate);
        }
    }
    plot->x = (bench_axis){ .low = low_x / 2.5, .high = high_x * 2, .is_log = true };
    plot->y = (bench_axis){ .low = low_y / 2, .high = high_y * 1.7, .is_log = true };
}

static bool gather(bench_roofline *plot, bench_plot_opts opts, bench_plot_left *left,
                   tern_error *error)
{
    int found, kept = 0;
    plot->rows = bench_plot_select(plot->report, opts, &found, left, error);
    plot->entry = calloc((size_t)plot->report->row_count + 1, sizeof *plot->entry);
    if (!plot->rows || !plot->entry)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", plot->report->file);
    for (int i = 0; i < found; i++)
        if (plot->rows[i]->executed > 0 && plot->rows[i]->bytes > 0)
            plot->rows[kept++] = plot->rows[i];
    plot->count = left->shown = kept;
    left->unplaced = found - kept;
    if (kept == 0)
        return tern_error_set(error, TERN_ERR_DATA,
                              "%s: no row that a roofline shows: one that is ok, with FLOPs and "
                              "bytes%s%s", plot->report->file, opts.filter ? ", named " : "",
                              opts.filter ? opts.filter : "");
    number_entries(plot);
    if (!find_panels(plot, error))
        return false;
    find_axes(plot);
    return true;
}

/* ---------------------------------------------------------------- drawing -- */

void bench_roofline_mark(cairo_t *cairo, const bench_roofline *plot,
                         const bench_recorded_row *row, double x, double y)
{
    bench_names providers = plot->providers;
    bench_set_colour(cairo, bench_colour_of(bench_names_find(&providers, row->provider)));
    bench_draw_mark(cairo, x, y, MARK, bench_mark_of(row->pass), strcmp(row->cache, "cold") == 0);
}

/* A thin line between the quartiles, and the mark at the median. */
static bench_label draw_point(cairo_t *cairo, const bench_roofline *plot, int at)
{
    const bench_recorded_row *row = plot->rows[at];
    double x = bench_axis_place(&plot->x, intensity(row)), gflop = 1e-9 * row->executed;
    double y = bench_axis_place(&plot->y, gflop / row->time.median);
    char number[16];
    bench_roofline_mark(cairo, plot, row, x, y);
    bench_line(cairo, x, bench_axis_place(&plot->y, gflop / row->time.lower_quartile), x,
               bench_axis_place(&plot->y, gflop / row->time.upper_quartile), 1);
    snprintf(number, sizeof number, "%d", plot->entry[at] + 1);
    return (bench_label){ .x = x, .y = y, .height = NUMBER_SIZE,
                          .width = bench_text_width(cairo, NUMBER_SIZE, number) + 2 };
}

/* The number, and a line to its point where it is far from it. */
static void draw_label(cairo_t *cairo, const bench_label *label, int entry)
{
    char number[16];
    double x = 0.5 * (label->box.left + label->box.right);
    double y = 0.5 * (label->box.top + label->box.bottom);
    double far = hypot(x - label->x, y - label->y);
    if (!label->placed)
        return;
    if (far > 13) {
        double part = (far - 5) / far;
        bench_set_colour(cairo, bench_grey);
        bench_line(cairo, label->x, label->y, label->x + part * (x - label->x),
                   label->y + part * (y - label->y), 0.5);
    }
    snprintf(number, sizeof number, "%d", entry + 1);
    bench_set_colour(cairo, bench_black);
    bench_text_over(cairo, x, y + 0.36 * NUMBER_SIZE, NUMBER_SIZE, BENCH_MIDDLE, 0, number);
}

static void draw_points(cairo_t *cairo, const bench_roofline *plot, int threads,
                        bench_label *labels, const bench_obstacles *roofs)
{
    int count = 0;
    bench_box frame = { plot->x.from + 2, plot->y.to + 2, plot->x.to - 2, plot->y.from - 2 };
    for (int i = 0; i < plot->count; i++)
        if (plot->rows[i]->threads == threads)
            labels[count++] = draw_point(cairo, plot, i);
    bench_labels_place(labels, count, frame, MARK, roofs);
    count = 0;
    for (int i = 0; i < plot->count; i++)
        if (plot->rows[i]->threads == threads)
            draw_label(cairo, &labels[count++], plot->entry[i]);
}

static void draw_panel(cairo_t *cairo, bench_roofline *plot, int panel, double top,
                       bench_label *labels)
{
    char title[32];
    bench_obstacles roofs;
    int threads = plot->threads[panel];
    plot->x.from = LEFT;
    plot->x.to = WIDTH - RIGHT;
    plot->y.from = top + PANEL_HEIGHT;
    plot->y.to = top;
    snprintf(title, sizeof title, "%d thread%s", threads, threads > 1 ? "s" : "");
    bench_axes_draw(cairo, &plot->x, &plot->y, "FLOPs a byte", "GFLOP/s");
    bench_roofs_draw(cairo, plot, threads, &roofs);
    draw_points(cairo, plot, threads, labels, &roofs);
    bench_set_colour(cairo, bench_black);
    bench_text(cairo, (plot->x.from + plot->x.to) / 2, top - 6, 10, BENCH_MIDDLE, title);
}

static bool draw_page(bench_roofline *plot, const char *path, bench_label *labels,
                      tern_error *error)
{
    bench_canvas page;
    char source[256];
    const double panel = PANEL_HEIGHT + BELOW, key = TOP + panel * plot->panel_count;
    if (!bench_canvas_open(&page, path, WIDTH, key + bench_roofline_key_height(plot), error))
        return false;
    bench_source_text(plot->report, source, sizeof source);
    bench_set_colour(page.cairo, bench_black);
    bench_text(page.cairo, 12, 18, 11, BENCH_LEFT,
               bench_text_fit(page.cairo, 11, WIDTH - 24, source, sizeof source));
    for (int p = 0; p < plot->panel_count; p++)
        draw_panel(page.cairo, plot, p, TOP + panel * p, labels);
    bench_roofline_key_draw(page.cairo, plot, 12, key, WIDTH - 24);
    return bench_canvas_finish(&page);
}

bool bench_plot_roofline(const bench_recorded *report, bench_plot_opts opts, const char *path,
                         bench_plot_left *left, tern_error *error)
{
    bench_roofline plot = { .report = report };
    bench_label *labels = calloc((size_t)report->row_count + 1, sizeof *labels);
    bool ok = labels || tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", path);
    ok = ok && bench_canvas_can(path, error) && gather(&plot, opts, left, error) &&
         draw_page(&plot, path, labels, error);
    free(labels);
    free(plot.rows);
    free(plot.entry);
    return ok;
}
