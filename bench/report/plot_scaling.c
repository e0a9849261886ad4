/* Speed along a swept size; see plot.h.
 *
 * A line's colour is its provider (and SIMD level), its marks the pass, its dashes the number
 * of threads; its name stands at its right end.
 */
#include "bench/report/axis.h"
#include "bench/report/plot_select.h"
#include "bench/report/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double WIDTH = 680, NAMES = 160, LEFT = 54, TOP = 34, HEAD = 24, PLOT = 230,
                    BELOW = 46, NAME_SIZE = 8.5, NAME_LINE = 11;

enum { MOST_LINES = 24 };

/* A line: its rows by size. */
typedef struct line {
    const bench_recorded_row *first;
    int *at; /* [count], indices of rows */
    int count;
    double name_y;
} line;

typedef struct scaling {
    const bench_recorded *report;
    const bench_recorded_row **rows;
    bench_sweep_place *places;
    bench_sweep sweeps[BENCH_MOST_SWEEPS];
    int count, sweep_count;
    int *indices;          /* [count], of all lines of the panel that is drawn */
    double *sizes;         /* [count], likewise                                */
} scaling;

/* What y is, in a panel: of rows that memory holds up, bytes; of rows without either, calls. */
typedef enum quantity { FLOPS, BYTES, CALLS } quantity;

static quantity quantity_of(const scaling *plot, int sweep)
{
    int without_flops = 0, without_bytes = 0, held_by_memory = 0;
    for (int i = 0; i < plot->count; i++) {
        const bench_recorded_row *row = plot->rows[i];
        if (plot->places[i].sweep != sweep)
            continue;
        without_flops += !(row->flops > 0);
        without_bytes += !(row->bytes > 0);
        held_by_memory += row->of_bandwidth > row->of_fma ? 1 : -1;
    }
    if (!without_bytes && (without_flops || held_by_memory > 0))
        return BYTES;
    return without_flops ? CALLS : FLOPS;
}

static double amount(const bench_recorded_row *row, quantity of)
{
    return of == FLOPS ? 1e-9 * row->flops : of == BYTES ? 1e-9 * row->bytes : 1;
}

/* ------------------------------------------------------------------ lines -- */

static bool is_one_line(const bench_recorded_row *a, const bench_recorded_row *b)
{
    return !strcmp(a->provider, b->provider) && !strcmp(a->pass, b->pass) &&
           !strcmp(a->simd, b->simd) && a->threads == b->threads;
}

/* Sorted by size as they are put in. */
static void put(const scaling *plot, line *to, int row)
{
    int at = to->count++;
    for (; at > 0 && plot->places[to->at[at - 1]].size > plot->places[row].size; at--)
        to->at[at] = to->at[at - 1];
    to->at[at] = row;
}

static int find_lines(scaling *plot, int sweep, line lines[MOST_LINES])
{
    int count = 0, used = 0;
    for (int i = 0; i < plot->count && count < MOST_LINES; i++) {
        const bench_recorded_row *row = plot->rows[i];
        bool is_new = plot->places[i].sweep == sweep;
        for (int l = 0; l < count && is_new; l++)
            is_new = !is_one_line(lines[l].first, row);
        if (!is_new)
            continue;
        line *made = &lines[count++];
        *made = (line){ .first = row, .at = plot->indices + used };
        for (int j = i; j < plot->count; j++)
            if (plot->places[j].sweep == sweep && is_one_line(row, plot->rows[j]))
                put(plot, made, j);
        used += made->count;
    }
    return count;
}

static const char *colour_name(const bench_recorded_row *row, char name[64])
{
    snprintf(name, 64, "%s %s", row->provider, row->simd);
    return name;
}

/* Set the line's colour and dashes: what is run by more threads is dashed shorter.  Returns
 * the colour. */
static bench_colour set_style(cairo_t *cairo, const scaling *plot, const line *of)
{
    int colour = 0, threads = 0;
    for (int i = 0; i < plot->count; i++) { /* providers, in order of appearance */
        char a[64], b[64];
        if (!strcmp(colour_name(plot->rows[i], a), colour_name(of->first, b)))
            break;
        bool seen = false;
        for (int j = 0; j < i && !seen; j++)
            seen = !strcmp(colour_name(plot->rows[j], b), a);
        colour += !seen;
    }
    for (int i = 0; i < plot->count; i++) {
        bool seen = plot->rows[i]->threads >= of->first->threads;
        for (int j = 0; j < i && !seen; j++)
            seen = plot->rows[j]->threads == plot->rows[i]->threads;
        threads += !seen;
    }
    const double dashes[2] = { threads > 1 ? 2 : 5, 2.5 };
    bench_set_colour(cairo, bench_colour_of(colour));
    bench_cairo.set_dash(cairo, dashes, threads ? 2 : 0, 0);
    return bench_colour_of(colour);
}

/* ---------------------------------------------------------------- drawing -- */

static double y_of(const scaling *plot, const bench_axis *y, quantity of, int row, double seconds)
{
    return bench_axis_place(y, amount(plot->rows[row], of) / seconds);
}

static void draw_band(cairo_t *cairo, const scaling *plot, const line *of, const bench_axis *x,
                      const bench_axis *y, quantity what)
{
    bench_colour colour = set_style(cairo, plot, of);
    bench_cairo.new_path(cairo);
    for (int i = 0; i < of->count; i++)
        bench_cairo.line_to(cairo, bench_axis_place(x, plot->places[of->at[i]].size),
                            y_of(plot, y, what, of->at[i],
                                 plot->rows[of->at[i]]->time.lower_quartile));
    for (int i = of->count - 1; i >= 0; i--)
        bench_cairo.line_to(cairo, bench_axis_place(x, plot->places[of->at[i]].size),
                            y_of(plot, y, what, of->at[i],
                                 plot->rows[of->at[i]]->time.upper_quartile));
    bench_cairo.close_path(cairo);
    bench_cairo.set_source_rgba(cairo, colour.red, colour.green, colour.blue, 0.2);
    bench_cairo.fill(cairo);
}

static void draw_line(cairo_t *cairo, const scaling *plot, line *of, const bench_axis *x,
                      const bench_axis *y, quantity what)
{
    draw_band(cairo, plot, of, x, y, what);
    set_style(cairo, plot, of);
    bench_cairo.new_path(cairo);
    for (int i = 0; i < of->count; i++)
        bench_cairo.line_to(cairo, bench_axis_place(x, plot->places[of->at[i]].size),
                            of->name_y = y_of(plot, y, what, of->at[i],
                                              plot->rows[of->at[i]]->time.median));
    bench_cairo.set_line_width(cairo, 1.5);
    bench_cairo.stroke(cairo);
    bench_cairo.set_dash(cairo, NULL, 0, 0);
    for (int i = 0; i < of->count; i++)
        bench_draw_mark(cairo, bench_axis_place(x, plot->places[of->at[i]].size),
                        y_of(plot, y, what, of->at[i], plot->rows[of->at[i]]->time.median), 2.6,
                        bench_mark_of(of->first->pass), false);
}

static int by_name_y(const void *a, const void *b)
{
    double x = ((const line *)a)->name_y, y = ((const line *)b)->name_y;
    return (x > y) - (x < y);
}

/* Names at the right ends of their lines, moved apart where these come close. */
static void draw_names(cairo_t *cairo, const scaling *plot, line *lines, int count,
                       const bench_axis *x, const bench_axis *y)
{
    double ends[MOST_LINES], lowest = y->from;
    qsort(lines, (size_t)count, sizeof *lines, by_name_y);
    for (int l = 0; l < count; l++) {
        ends[l] = lines[l].name_y;
        if (l > 0 && lines[l].name_y < lines[l - 1].name_y + NAME_LINE)
            lines[l].name_y = lines[l - 1].name_y + NAME_LINE;
    }
    for (int l = count - 1; l >= 0; l--) { /* and back into the frame */
        lines[l].name_y = fmin(lines[l].name_y, lowest);
        lowest -= NAME_LINE;
    }
    for (int l = 0; l < count; l++) {
        const bench_recorded_row *row = lines[l].first;
        double end = bench_axis_place(x, plot->places[lines[l].at[lines[l].count - 1]].size);
        char name[128];
        snprintf(name, sizeof name, "%s %s, %d thread%s%s%s", row->provider, row->pass,
                 row->threads, row->threads > 1 ? "s" : "", *row->simd ? ", " : "", row->simd);
        set_style(cairo, plot, &lines[l]);
        bench_cairo.set_dash(cairo, NULL, 0, 0);
        bench_line(cairo, end + 4, ends[l], x->to + 6, lines[l].name_y, 0.5);
        bench_text_fit(cairo, NAME_SIZE, NAMES - 14, name, sizeof name);
        bench_text(cairo, x->to + 9, lines[l].name_y + 3, NAME_SIZE, BENCH_LEFT, name);
    }
}

/* What the machine can do with as many threads as some line, where it is not far above. */
static void draw_ceilings(cairo_t *cairo, const scaling *plot, const line *lines, int count,
                          const bench_axis *x, const bench_axis *y)
{
    const double dashes[] = { 1.5, 2.5 };
    for (int l = 0; l < count; l++) {
        int threads = lines[l].first->threads;
        double peak = 1e-9 * bench_recorded_peak(plot->report, threads, NULL);
        bool seen = peak <= 0 || peak > y->high;
        for (int before = 0; before < l && !seen; before++)
            seen = lines[before].first->threads == threads;
        if (seen)
            continue;
        char name[64];
        double at = bench_axis_place(y, peak);
        snprintf(name, sizeof name, "FMA peak, %d thread%s", threads, threads > 1 ? "s" : "");
        bench_set_colour(cairo, bench_grey);
        bench_cairo.set_dash(cairo, dashes, 2, 0);
        bench_line(cairo, x->from, at, x->to, at, 0.8);
        bench_cairo.set_dash(cairo, NULL, 0, 0);
        bench_text_over(cairo, x->from + 4, at - 3, 7.5, BENCH_LEFT, 0, name);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sizes of a sweep, each once, in order. */
static int find_sizes(scaling *plot, int sweep)
{
    int found = 0, kept = 0;
    for (int i = 0; i < plot->count; i++)
        if (plot->places[i].sweep == sweep)
            plot->sizes[found++] = plot->places[i].size;
    qsort(plot->sizes, (size_t)found, sizeof *plot->sizes, by_size);
    for (int i = 0; i < found; i++)
        if (kept == 0 || plot->sizes[i] != plot->sizes[kept - 1])
            plot->sizes[kept++] = plot->sizes[i];
    return kept;
}

/* From 0 to what was reached, or to the peak if that is in sight. */
static bench_axis find_y(const scaling *plot, int sweep, quantity what, double top)
{
    double most = 0, high;
    for (int i = 0; i < plot->count; i++)
        if (plot->places[i].sweep == sweep)
            most = fmax(most, amount(plot->rows[i], what) / plot->rows[i]->time.lower_quartile);
    high = most;
    for (int i = 0; i < plot->count && what == FLOPS; i++) {
        double peak = 1e-9 * bench_recorded_peak(plot->report, plot->rows[i]->threads, NULL);
        if (plot->places[i].sweep == sweep && peak < 2 * most)
            high = fmax(high, peak);
    }
    return (bench_axis){ .low = 0, .high = 1.08 * high, .from = top + PLOT, .to = top };
}

static void draw_panel(cairo_t *cairo, scaling *plot, int sweep, double top)
{
    static const char *const titles[] = { "GFLOP/s", "GB/s", "calls a second" };
    line lines[MOST_LINES];
    quantity what = quantity_of(plot, sweep);
    int sizes = find_sizes(plot, sweep), count = find_lines(plot, sweep, lines);
    double low = plot->sizes[0], high = plot->sizes[sizes - 1];
    bool is_log = low > 0 && high / low >= 6;
    double room = is_log ? pow(high / low, 0.03) : 0.03 * (high - low);
    bench_axis y = find_y(plot, sweep, what, top);
    bench_axis x = { .low = is_log ? low / room : low - room,
                     .high = is_log ? high * room : high + room, .from = LEFT, .to = WIDTH - NAMES,
                     .is_log = is_log, .ticks = plot->sizes, .tick_count = sizes };
    bench_axes_draw(cairo, &x, &y, "n", titles[what]);
    if (what == FLOPS)
        draw_ceilings(cairo, plot, lines, count, &x, &y);
    for (int l = 0; l < count; l++)
        draw_line(cairo, plot, &lines[l], &x, &y, what);
    draw_names(cairo, plot, lines, count, &x, &y);
    bench_set_colour(cairo, bench_black);
    bench_text_fit(cairo, 9.5, x.to - x.from, plot->sweeps[sweep].title,
                   sizeof plot->sweeps[sweep].title);
    bench_text(cairo, (x.from + x.to) / 2, top - 6, 9.5, BENCH_MIDDLE, plot->sweeps[sweep].title);
}

static bool draw_page(scaling *plot, const char *path, tern_error *error)
{
    bench_canvas page;
    char source[256];
    const double panel = HEAD + PLOT + BELOW;
    if (!bench_canvas_open(&page, path, WIDTH, TOP + panel * plot->sweep_count, error))
        return false;
    bench_source_text(plot->report, source, sizeof source);
    bench_set_colour(page.cairo, bench_black);
    bench_text(page.cairo, 12, 18, 10.5, BENCH_LEFT,
               bench_text_fit(page.cairo, 10.5, WIDTH - 24, source, sizeof source));
    for (int s = 0; s < plot->sweep_count; s++)
        draw_panel(page.cairo, plot, s, TOP + HEAD + panel * s);
    return bench_canvas_finish(&page);
}

/* ------------------------------------------------------------------- data -- */

static bool gather(scaling *plot, bench_plot_opts opts, bench_plot_left *left, tern_error *error)
{
    const size_t most = (size_t)plot->report->row_count + 1;
    plot->rows = bench_plot_select(plot->report, opts, &plot->count, left, error);
    plot->places = calloc(most, sizeof *plot->places);
    plot->indices = calloc(most, sizeof *plot->indices);
    plot->sizes = calloc(most, sizeof *plot->sizes);
    if (!plot->rows || !plot->places || !plot->indices || !plot->sizes)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", plot->report->file);
    plot->sweep_count =
        bench_sweeps_find(plot->rows, plot->count, plot->places, plot->sweeps, error);
    for (int i = 0; i < plot->count; i++)
        left->shown += plot->places[i].sweep >= 0;
    left->unplaced = plot->count - left->shown;
    if (plot->sweep_count == 0)
        tern_error_set(error, TERN_ERR_DATA, "%s: no %d rows that differ in one size alone%s%s; "
                       "`tern bench --shape` makes such", plot->report->file, BENCH_LEAST_SIZES,
                       opts.filter ? ", among those named " : "", opts.filter ? opts.filter : "");
    return plot->sweep_count > 0;
}

bool bench_plot_scaling(const bench_recorded *report, bench_plot_opts opts, const char *path,
                        bench_plot_left *left, tern_error *error)
{
    scaling plot = { .report = report };
    bool ok = bench_canvas_can(path, error) && gather(&plot, opts, left, error) &&
              draw_page(&plot, path, error);
    free(plot.rows);
    free(plot.places);
    free(plot.indices);
    free(plot.sizes);
    return ok;
}
