/* A page to draw on: SVG or PNG by the ending of its name, written whole or not at all.
 *
 * Plots draw with cairo itself (cairo.h); what is here is what they share: opening and finishing,
 * text, marks, colours.  Units are points, y goes down; a PNG has three pixels to a point.
 */
#ifndef TERN_BENCH_REPORT_CANVAS_H
#define TERN_BENCH_REPORT_CANVAS_H

#include "bench/report/cairo.h"

#include <stddef.h>

typedef struct bench_canvas {
    cairo_t *cairo;
    double width, height;
    struct bench_canvas_file *file;
} bench_canvas;

/* Is there such a kind of picture?  TERN_ERR_ARGUMENT if the name ends otherwise. */
bool bench_canvas_can(const char *path, tern_error *error);

/* A white page.  False and an error if it cannot be made, or if there is no cairo; then there is
 * nothing to finish. */
bool bench_canvas_open(bench_canvas *canvas, const char *path, double width, double height,
                       tern_error *error);
/* Write the file; false and an error in what was given to open.  Frees in any case. */
bool bench_canvas_finish(bench_canvas *canvas);

/* ---------------------------------------------------------------- drawing -- */

typedef struct bench_colour {
    double red, green, blue;
} bench_colour;

/* Colours that those who do not see all colours tell apart too (Okabe and Ito 2008); from the
 * eighth on again. */
bench_colour bench_colour_of(int index);
extern const bench_colour bench_black, bench_grey, bench_light;

void bench_set_colour(cairo_t *cairo, bench_colour colour);

typedef enum bench_anchor { BENCH_LEFT, BENCH_MIDDLE, BENCH_RIGHT } bench_anchor;

/* A line of text whose left end, middle or right end is at x, and its baseline at y. */
void bench_text(cairo_t *cairo, double x, double y, double size, bench_anchor anchor,
                const char *text);
/* The same, turned by an angle (radians, clockwise), with white around its letters, so that
 * it can be read across lines. */
void bench_text_over(cairo_t *cairo, double x, double y, double size, bench_anchor anchor,
                     double angle, const char *text);
double bench_text_width(cairo_t *cairo, double size, const char *text);
/* Shortened at its end ("...") to what is no wider.  Returns text. */
char *bench_text_fit(cairo_t *cairo, double size, double width, char *text, size_t bytes);

void bench_line(cairo_t *cairo, double x0, double y0, double x1, double y1, double width);

typedef enum bench_mark { BENCH_CIRCLE, BENCH_TRIANGLE, BENCH_SQUARE, BENCH_DIAMOND } bench_mark;

/* In the colour that is set; a hollow one is white inside. */
void bench_draw_mark(cairo_t *cairo, double x, double y, double radius, bench_mark mark,
                     bool hollow);

#endif
