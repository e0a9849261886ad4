/* The roofs of a roofline plot: what the machine was measured to reach.
 *
 * A level of the cache gives y = x bandwidth up to where the multiply-adds give out; all those
 * lines are parallel, and each has its name along it, at its lower end.  The multiply-add
 * roofs are level, with their names at the right.
 */
#include "bench/report/plot_roofline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double NAME_SIZE = 8;

/* Of the cache, and of SIMD; together no more than BENCH_MOST_OBSTACLES. */
enum { MOST_LEVELS = 12 };

typedef struct slope {
    const char *level;
    double per_second; /* gigabytes */
} slope;

static int by_rate(const void *a, const void *b)
{
    double x = ((const slope *)a)->per_second, y = ((const slope *)b)->per_second;
    return (x < y) - (x > y);
}

/* Levels measured with so many threads, fastest first. */
static int find_slopes(const bench_recorded *report, int threads, slope slopes[MOST_LEVELS])
{
    int count = 0;
    for (int i = 0; i < report->ceiling_count; i++) {
        const bench_recorded_ceiling *c = &report->ceilings[i];
        bool known = c->threads != threads || !*c->level;
        for (int s = 0; s < count && !known; s++)
            known = strcmp(slopes[s].level, c->level) == 0;
        if (!known && count < MOST_LEVELS)
            slopes[count++] =
                (slope){ c->level, 1e-9 * bench_read_ceiling(report, threads, c->level) };
    }
    qsort(slopes, (size_t)count, sizeof *slopes, by_rate);
    return count;
}

/* The part of a slope that lies in the frame, from its lower end. */
static bench_segment slope_segment(const bench_roofline *plot, double per_second, double top)
{
    double from = fmax(plot->x.low, plot->y.low / per_second);
    double to = fmin(plot->x.high, top / per_second);
    return (bench_segment){ bench_axis_place(&plot->x, from),
                            bench_axis_place(&plot->y, from * per_second),
                            bench_axis_place(&plot->x, to),
                            bench_axis_place(&plot->y, to * per_second) };
}

static void draw_slopes(cairo_t *cairo, const bench_roofline *plot, const slope *slopes, int count,
                        double top, bench_obstacles *obstacles)
{
    double before = -HUGE_VAL, along = 0;
    for (int i = 0; i < count; i++) {
        bench_segment s = slope_segment(plot, slopes[i].per_second, top);
        char name[64];
        double angle = atan2(s.y1 - s.y0, s.x1 - s.x0);
        /* Distance from the line before, across; lines too near each other for names beside
         * each other have them one behind the other. */
        double across = s.y0 * cos(angle) - s.x0 * sin(angle);
        snprintf(name, sizeof name, "%s %.*f GB/s", slopes[i].level,
                 slopes[i].per_second < 100 ? 1 : 0, slopes[i].per_second);
        along = across - before < 11 ? along + bench_text_width(cairo, NAME_SIZE, name) + 12 : 8;
        before = across;
        if (s.x1 <= s.x0)
            continue; /* the frame holds none of it */
        bench_set_colour(cairo, bench_grey);
        bench_line(cairo, s.x0, s.y0, s.x1, s.y1, 1.1);
        obstacles->lines[obstacles->line_count++] = s;
        bench_set_colour(cairo, bench_black);
        bench_text_over(cairo, s.x0 + along * cos(angle) + 3 * sin(angle),
                        s.y0 + along * sin(angle) - 3 * cos(angle), NAME_SIZE, BENCH_LEFT, angle,
                        name);
    }
}

/* The roof of a SIMD level, from where the fastest memory reaches it. */
static void draw_level(cairo_t *cairo, const bench_roofline *plot, const char *simd, double gflops,
                       double fastest, bench_obstacles *obstacles)
{
    char name[64];
    double from = fastest > 0 ? fmax(gflops / fastest, plot->x.low) : plot->x.low;
    double y = bench_axis_place(&plot->y, gflops), right = plot->x.to;
    bench_segment s = { bench_axis_place(&plot->x, from), y, right, y };
    snprintf(name, sizeof name, "FMA %s %.3g GFLOP/s", simd, gflops);
    double left = right - 4 - bench_text_width(cairo, NAME_SIZE, name);
    bench_set_colour(cairo, bench_grey);
    bench_line(cairo, s.x0, y, right, y, 1.1);
    bench_set_colour(cairo, bench_black);
    bench_text_over(cairo, right - 4, y - 4, NAME_SIZE, BENCH_RIGHT, 0, name);
    obstacles->lines[obstacles->line_count++] = s;
    obstacles->texts[obstacles->text_count++] =
        (bench_box){ left, y - 4 - NAME_SIZE, right, y };
}

void bench_roofs_draw(cairo_t *cairo, const bench_roofline *plot, int threads,
                      bench_obstacles *obstacles)
{
    slope slopes[MOST_LEVELS];
    bench_names levels = { 0 };
    double top = 1e-9 * bench_recorded_peak(plot->report, threads, NULL);
    int count = find_slopes(plot->report, threads, slopes);
    *obstacles = (bench_obstacles){ .line_count = 0 };
    draw_slopes(cairo, plot, slopes, count, top > 0 ? top : plot->y.high, obstacles);
    for (int i = 0; i < plot->count; i++) /* of levels at which nothing was run, no roof */
        if (plot->rows[i]->threads == threads)
            bench_names_find(&levels, plot->rows[i]->simd);
    for (int i = 0; i < levels.count && i < MOST_LEVELS; i++) {
        double gflops = 1e-9 * bench_recorded_peak(plot->report, threads, levels.names[i]);
        if (gflops > 0)
            draw_level(cairo, plot, levels.names[i], gflops, count ? slopes[0].per_second : 0,
                       obstacles);
    }
}
