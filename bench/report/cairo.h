/* cairo, loaded where the first plot of a process is drawn: it brings font and X libraries
 * along, for which every start of the program would pay.
 *
 * A call of cairo_NAME is written bench_cairo.NAME; only after bench_cairo_load, so only on a
 * canvas that was opened.
 */
#ifndef TERN_BENCH_REPORT_CAIRO_H
#define TERN_BENCH_REPORT_CAIRO_H

#include "core/error.h"

#include <cairo/cairo-svg.h>

/* All of its functions that plots call. */
#define BENCH_CAIRO_FUNCTIONS(each)                                                               \
    each(arc) each(close_path) each(create) each(destroy) each(fill) each(fill_preserve)          \
    each(get_source) each(image_surface_create) each(line_to) each(move_to) each(new_path)        \
    each(paint) each(pattern_destroy) each(pattern_reference) each(rectangle) each(restore)       \
    each(rotate) each(save) each(select_font_face) each(set_dash) each(set_font_size)             \
    each(set_line_join) each(set_line_width) each(set_source) each(set_source_rgb)                \
    each(set_source_rgba) each(show_text) each(status) each(status_to_string) each(stroke)        \
    each(surface_destroy) each(surface_finish) each(surface_set_device_scale)                     \
    each(surface_status) each(surface_write_to_png_stream) each(svg_surface_create_for_stream)    \
    each(text_extents) each(text_path) each(translate) each(version_string)

typedef struct bench_cairo_functions {
#define BENCH_CAIRO_POINTER(name) __typeof__(&cairo_##name)(name);
    BENCH_CAIRO_FUNCTIONS(BENCH_CAIRO_POINTER)
#undef BENCH_CAIRO_POINTER
} bench_cairo_functions;

/* One library a process, hence one table. */
extern bench_cairo_functions bench_cairo;

/* False and TERN_ERR_MISSING, naming the library and its package, if it cannot be loaded. */
bool bench_cairo_load(tern_error *error);

/* The same with the library's file and into a table of the caller's: for the test of what is
 * said of one that is not there, or is another. */
bool bench_cairo_load_from(const char *library, bench_cairo_functions *functions,
                           tern_error *error);

#endif
