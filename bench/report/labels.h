/* Where labels of points go, so that none lies on another.
 *
 * Each label is tried at growing distances in sixteen directions; of the places within the
 * frame at which it touches no label, the cheapest is taken: near its point, off the other
 * points, off lines and other texts.  Labels in the thick of it come first, while there
 * is a choice.
 */
#ifndef TERN_BENCH_REPORT_LABELS_H
#define TERN_BENCH_REPORT_LABELS_H

#include <stdbool.h>

typedef struct bench_box {
    double left, top, right, bottom;
} bench_box;

typedef struct bench_label {
    double x, y;          /* its point                     */
    double width, height;
    bench_box box;        /* where it goes                 */
    bool placed;          /* false: there was no room      */
} bench_label;

typedef struct bench_segment {
    double x0, y0, x1, y1;
} bench_segment;

bool bench_boxes_touch(bench_box a, bench_box b);

/* What labels stay off, if they can. */
enum { BENCH_MOST_OBSTACLES = 24 };
typedef struct bench_obstacles {
    bench_segment lines[BENCH_MOST_OBSTACLES];
    bench_box texts[BENCH_MOST_OBSTACLES];
    int line_count, text_count;
} bench_obstacles;

/* `radius` is that of the points' marks. */
void bench_labels_place(bench_label *labels, int count, bench_box frame, double radius,
                        const bench_obstacles *obstacles);

#endif
