/* Axes; see axis.h. */
#include "bench/report/axis.h"

#include <math.h>
#include <stdio.h>

static const double TICK_SIZE = 8.5, TITLE_SIZE = 9.5;

/* Points for a decade from which on 2 and 5 have room between powers of ten. */
static const double LEAST_DECADE = 60;

double bench_axis_place(const bench_axis *axis, double value)
{
    double part = axis->is_log ? log(value / axis->low) / log(axis->high / axis->low)
                               : (value - axis->low) / (axis->high - axis->low);
    return axis->from + part * (axis->to - axis->from);
}

static int log_ticks(const bench_axis *axis, double ticks[BENCH_MOST_TICKS])
{
    double decade = fabs(axis->to - axis->from) / log10(axis->high / axis->low);
    int count = 0;
    for (int power = (int)floor(log10(axis->low)); power <= log10(axis->high); power++)
        for (int digit = 1; digit <= 5; digit += digit == 1 ? 1 : 3) {
            double value = digit * pow(10, power);
            bool fits = value >= axis->low * (1 - 1e-9) && value <= axis->high * (1 + 1e-9);
            if (fits && (digit == 1 || decade > LEAST_DECADE) && count < BENCH_MOST_TICKS)
                ticks[count++] = value;
        }
    return count;
}

int bench_axis_ticks(const bench_axis *axis, double ticks[BENCH_MOST_TICKS])
{
    int count = 0;
    for (; count < axis->tick_count && count < BENCH_MOST_TICKS; count++)
        ticks[count] = axis->ticks[count];
    if (axis->tick_count)
        return count;
    if (axis->is_log)
        return log_ticks(axis, ticks);
    double rough = (axis->high - axis->low) / 6, step = pow(10, floor(log10(rough)));
    step *= rough / step > 5 ? 10 : rough / step > 2 ? 5 : rough / step > 1 ? 2 : 1;
    double first = ceil(axis->low / step - 1e-9) + 0.0; /* of -0, 0 */
    while (count < BENCH_MOST_TICKS && (first + count) * step <= axis->high + 1e-9 * step) {
        ticks[count] = (first + count) * step;
        count++;
    }
    return count;
}

static void draw_frame(cairo_t *cairo, const bench_axis *x, const bench_axis *y)
{
    bench_set_colour(cairo, bench_grey);
    bench_cairo.set_line_width(cairo, 0.8);
    bench_cairo.rectangle(cairo, x->from, y->to, x->to - x->from, y->from - y->to);
    bench_cairo.stroke(cairo);
}

static void draw_ticks(cairo_t *cairo, const bench_axis *axis, const bench_axis *across, bool is_y)
{
    double ticks[BENCH_MOST_TICKS], before = -HUGE_VAL;
    int count = bench_axis_ticks(axis, ticks);
    char text[32];
    for (int i = 0; i < count; i++) {
        double at = bench_axis_place(axis, ticks[i]);
        snprintf(text, sizeof text, "%g", ticks[i]);
        double half = is_y ? 0 : 0.5 * bench_text_width(cairo, TICK_SIZE, text) + 2;
        bench_set_colour(cairo, bench_light);
        if (is_y)
            bench_line(cairo, across->from, at, across->to, at, 0.6);
        else
            bench_line(cairo, at, across->from, at, across->to, 0.6);
        if (!is_y && at - half < before)
            continue;
        before = at + half;
        bench_set_colour(cairo, bench_black);
        bench_text(cairo, is_y ? across->from - 4 : at, is_y ? at + 3 : across->from + 12,
                   TICK_SIZE, is_y ? BENCH_RIGHT : BENCH_MIDDLE, text);
    }
}

void bench_axes_draw(cairo_t *cairo, const bench_axis *x, const bench_axis *y, const char *x_title,
                     const char *y_title)
{
    draw_ticks(cairo, x, y, false);
    draw_ticks(cairo, y, x, true);
    draw_frame(cairo, x, y);
    bench_set_colour(cairo, bench_black);
    bench_text(cairo, (x->from + x->to) / 2, y->from + 26, TITLE_SIZE, BENCH_MIDDLE, x_title);
    bench_text_over(cairo, x->from - 34, (y->from + y->to) / 2, TITLE_SIZE, BENCH_MIDDLE,
                    -M_PI / 2, y_title);
}
