/* Placing labels; see labels.h. */
#include "bench/report/labels.h"

#include <math.h>

enum { DIRECTIONS = 16 };

/* Costs, in points of distance. */
static const double ON_A_POINT = 60, ON_A_TEXT = 80, ON_A_LINE = 12;

bool bench_boxes_touch(bench_box a, bench_box b)
{
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

static bool lies_within(bench_box box, bench_box frame)
{
    return box.left >= frame.left && box.right <= frame.right && box.top >= frame.top &&
           box.bottom <= frame.bottom;
}

/* Does a segment pass through a box?  (Liang and Barsky's clipping.) */
static bool passes(const bench_segment *line, bench_box box)
{
    const double dx = line->x1 - line->x0, dy = line->y1 - line->y0;
    const double by[4] = { -dx, dx, -dy, dy };
    const double room[4] = { line->x0 - box.left, box.right - line->x0, line->y0 - box.top,
                             box.bottom - line->y0 };
    double from = 0, to = 1;
    for (int side = 0; side < 4; side++) {
        if (by[side] == 0 && room[side] < 0)
            return false;
        if (by[side] < 0)
            from = fmax(from, room[side] / by[side]);
        else if (by[side] > 0)
            to = fmin(to, room[side] / by[side]);
    }
    return from <= to;
}

/* The box whose nearest side or corner is `distance` from the point, in a direction. */
static bench_box box_at(const bench_label *label, double distance, double angle)
{
    double x = label->x + cos(angle) * (distance + label->width / 2);
    double y = label->y + sin(angle) * (distance + label->height / 2);
    return (bench_box){ x - label->width / 2, y - label->height / 2, x + label->width / 2,
                        y + label->height / 2 };
}

typedef struct placing {
    bench_label *labels;
    int count;
    bench_box frame;
    double radius;
    const bench_obstacles *obstacles;
} placing;

static double cost_of(const placing *p, bench_box box, double distance)
{
    double cost = distance;
    for (int i = 0; i < p->count; i++) {
        const bench_label *other = &p->labels[i];
        bench_box mark = { other->x - p->radius, other->y - p->radius, other->x + p->radius,
                           other->y + p->radius };
        if (other->placed && bench_boxes_touch(box, other->box))
            return HUGE_VAL;
        cost += bench_boxes_touch(box, mark) ? ON_A_POINT : 0;
    }
    for (int i = 0; i < p->obstacles->line_count; i++)
        cost += passes(&p->obstacles->lines[i], box) ? ON_A_LINE : 0;
    for (int i = 0; i < p->obstacles->text_count; i++)
        cost += bench_boxes_touch(box, p->obstacles->texts[i]) ? ON_A_TEXT : 0;
    return cost;
}

static void place(const placing *p, bench_label *label)
{
    double best = HUGE_VAL, distance = p->radius + 1;
    /* Once the distance alone costs more than what was found, nothing better follows. */
    while (distance < best && distance < 400) {
        for (int d = 0; d < DIRECTIONS; d++) {
            /* To the right first, then up, as a reader expects labels. */
            bench_box box = box_at(label, distance, -2 * M_PI * d / DIRECTIONS);
            double cost = lies_within(box, p->frame) ? cost_of(p, box, distance) : HUGE_VAL;
            if (cost < best) {
                best = cost;
                label->box = box;
            }
        }
        distance *= 1.25;
    }
    label->placed = best < HUGE_VAL;
}

/* How many points are near: within two labels' lengths. */
static int crowd(const placing *p, const bench_label *label)
{
    int near = 0;
    for (int i = 0; i < p->count; i++)
        near += fabs(p->labels[i].x - label->x) < 2 * label->width &&
                fabs(p->labels[i].y - label->y) < 2 * label->height;
    return near;
}

void bench_labels_place(bench_label *labels, int count, bench_box frame, double radius,
                        const bench_obstacles *obstacles)
{
    const placing p = { labels, count, frame, radius, obstacles };
    int most = 0;
    for (int i = 0; i < count; i++) {
        int near = crowd(&p, &labels[i]);
        labels[i].placed = false;
        most = near > most ? near : most;
    }
    for (int near = most; near > 0; near--)
        for (int i = 0; i < count; i++)
            if (crowd(&p, &labels[i]) == near)
                place(&p, &labels[i]);
}
