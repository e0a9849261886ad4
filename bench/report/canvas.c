/* Pages; see canvas.h. */
#include "bench/report/canvas.h"

#include "core/host_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS_A_POINT = 3, MOST_PIXELS = 32767 /* cairo's, a side */ };

struct bench_canvas_file {
    cairo_surface_t *surface;
    tern_whole_file *out;
    const char *path;
    bool is_png;
    tern_error *error;
};

/* ------------------------------------------------------------------ files -- */

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcmp(path + length - end, ending) == 0;
}

bool bench_canvas_can(const char *path, tern_error *error)
{
    return ends_with(path, ".svg") || ends_with(path, ".png") ||
           tern_error_set(error, TERN_ERR_ARGUMENT,
                          "%s: a plot's name ends in .svg or .png", path);
}

static cairo_status_t write_bytes(void *file, const unsigned char *data, unsigned length)
{
    return tern_whole_file_write(file, data, length) ? CAIRO_STATUS_SUCCESS
                                                     : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_surface_t *make_surface(struct bench_canvas_file *file, double width, double height)
{
    if (!file->is_png)
        return bench_cairo.svg_surface_create_for_stream(write_bytes, file->out, width, height);
    double scale = PIXELS_A_POINT;
    while (scale > 1 && fmax(width, height) * scale > MOST_PIXELS)
        scale--;
    cairo_surface_t *surface = bench_cairo.image_surface_create(
        CAIRO_FORMAT_RGB24, (int)ceil(width * scale), (int)ceil(height * scale));
    bench_cairo.surface_set_device_scale(surface, scale, scale);
    return surface;
}

bool bench_canvas_open(bench_canvas *canvas, const char *path, double width, double height,
                       tern_error *error)
{
    if (!bench_canvas_can(path, error) || !bench_cairo_load(error))
        return false;
    struct bench_canvas_file *file = calloc(1, sizeof *file);
    *canvas = (bench_canvas){ .width = width, .height = height, .file = file };
    if (!file)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: out of memory", path);
    file->path = path;
    file->error = error;
    file->is_png = ends_with(path, ".png");
    if (!(file->out = tern_whole_file_create(path, error))) {
        free(file);
        return false;
    }
    file->surface = make_surface(file, width, height);
    /* Of a surface that failed, one that does nothing. */
    canvas->cairo = bench_cairo.create(file->surface);
    bench_cairo.select_font_face(canvas->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                                 CAIRO_FONT_WEIGHT_NORMAL);
    bench_cairo.set_source_rgb(canvas->cairo, 1, 1, 1);
    bench_cairo.paint(canvas->cairo);
    return true;
}

bool bench_canvas_finish(bench_canvas *canvas)
{
    struct bench_canvas_file *file = canvas->file;
    cairo_status_t status = bench_cairo.status(canvas->cairo);
    if (status == CAIRO_STATUS_SUCCESS && file->is_png)
        status = bench_cairo.surface_write_to_png_stream(file->surface, write_bytes, file->out);
    bench_cairo.destroy(canvas->cairo);
    bench_cairo.surface_finish(file->surface); /* an SVG is written here */
    if (status == CAIRO_STATUS_SUCCESS)
        status = bench_cairo.surface_status(file->surface);
    bench_cairo.surface_destroy(file->surface);
    /* A write that failed has said more than cairo can. */
    if (status != CAIRO_STATUS_SUCCESS && status != CAIRO_STATUS_WRITE_ERROR)
        tern_error_set(file->error, TERN_ERR_IO, "%s: cannot be drawn: %s", file->path,
                       bench_cairo.status_to_string(status));
    bool ok = tern_whole_file_finish(file->out, status == CAIRO_STATUS_SUCCESS);
    free(file);
    *canvas = (bench_canvas){ 0 };
    return ok && status == CAIRO_STATUS_SUCCESS;
}

/* ---------------------------------------------------------------- colours -- */

const bench_colour bench_black = { 0.13, 0.13, 0.13 };
const bench_colour bench_grey = { 0.45, 0.45, 0.45 };
const bench_colour bench_light = { 0.89, 0.89, 0.89 };

bench_colour bench_colour_of(int index)
{
    static const bench_colour colours[] = {
        { 0.00, 0.45, 0.70 }, { 0.84, 0.37, 0.00 }, { 0.00, 0.62, 0.45 }, { 0.80, 0.47, 0.65 },
        { 0.90, 0.62, 0.00 }, { 0.34, 0.71, 0.91 }, { 0.35, 0.35, 0.35 },
    };
    return colours[index % (int)(sizeof colours / sizeof *colours)];
}

void bench_set_colour(cairo_t *cairo, bench_colour colour)
{
    bench_cairo.set_source_rgb(cairo, colour.red, colour.green, colour.blue);
}

/* ------------------------------------------------------------------- text -- */

double bench_text_width(cairo_t *cairo, double size, const char *text)
{
    cairo_text_extents_t extents;
    bench_cairo.set_font_size(cairo, size);
    bench_cairo.text_extents(cairo, text, &extents);
    return extents.x_advance;
}

static double shift(cairo_t *cairo, double size, bench_anchor anchor, const char *text)
{
    double width = bench_text_width(cairo, size, text);
    return anchor == BENCH_LEFT ? 0 : anchor == BENCH_MIDDLE ? -width / 2 : -width;
}

void bench_text(cairo_t *cairo, double x, double y, double size, bench_anchor anchor,
                const char *text)
{
    bench_cairo.move_to(cairo, x + shift(cairo, size, anchor, text), y);
    bench_cairo.show_text(cairo, text);
}

void bench_text_over(cairo_t *cairo, double x, double y, double size, bench_anchor anchor,
                     double angle, const char *text)
{
    cairo_pattern_t *colour = bench_cairo.pattern_reference(bench_cairo.get_source(cairo));
    double left = shift(cairo, size, anchor, text);
    bench_cairo.save(cairo);
    bench_cairo.translate(cairo, x, y);
    bench_cairo.rotate(cairo, angle);
    bench_cairo.move_to(cairo, left, 0);
    bench_cairo.text_path(cairo, text);
    bench_cairo.set_source_rgb(cairo, 1, 1, 1);
    bench_cairo.set_line_width(cairo, 2.4);
    bench_cairo.set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    bench_cairo.stroke(cairo);
    bench_cairo.set_source(cairo, colour);
    bench_cairo.move_to(cairo, left, 0);
    bench_cairo.show_text(cairo, text);
    bench_cairo.restore(cairo);
    bench_cairo.pattern_destroy(colour);
}

char *bench_text_fit(cairo_t *cairo, double size, double width, char *text, size_t bytes)
{
    size_t length = strlen(text);
    if (bench_text_width(cairo, size, text) <= width)
        return text;
    for (length = length + 4 > bytes ? bytes - 4 : length; length > 0; length--) {
        while (length > 1 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--; /* not within a letter of UTF-8 */
        strcpy(text + length, "...");
        if (bench_text_width(cairo, size, text) <= width)
            break;
    }
    return text;
}

/* ------------------------------------------------------------------ lines -- */

void bench_line(cairo_t *cairo, double x0, double y0, double x1, double y1, double width)
{
    bench_cairo.set_line_width(cairo, width);
    bench_cairo.move_to(cairo, x0, y0);
    bench_cairo.line_to(cairo, x1, y1);
    bench_cairo.stroke(cairo);
}

void bench_draw_mark(cairo_t *cairo, double x, double y, double radius, bench_mark mark,
                     bool hollow)
{
    static const struct { int corners; double turn, size; } shapes[] = {
        { 0, 0, 1 }, { 3, -M_PI / 2, 1.25 }, { 4, M_PI / 4, 1.2 }, { 4, 0, 1.25 },
    };
    bench_cairo.new_path(cairo);
    if (mark == BENCH_CIRCLE)
        bench_cairo.arc(cairo, x, y, radius, 0, 2 * M_PI);
    for (int i = 0; i < shapes[mark].corners; i++) {
        double angle = shapes[mark].turn + 2 * M_PI * i / shapes[mark].corners;
        double far = radius * shapes[mark].size;
        bench_cairo.line_to(cairo, x + far * cos(angle), y + far * sin(angle));
    }
    bench_cairo.close_path(cairo);
    bench_cairo.set_line_width(cairo, 1.2);
    if (hollow) {
        cairo_pattern_t *colour = bench_cairo.pattern_reference(bench_cairo.get_source(cairo));
        bench_cairo.set_source_rgb(cairo, 1, 1, 1);
        bench_cairo.fill_preserve(cairo);
        bench_cairo.set_source(cairo, colour);
        bench_cairo.pattern_destroy(colour);
    } else {
        bench_cairo.fill_preserve(cairo);
    }
    bench_cairo.stroke(cairo);
}
