/* What the files of the Winograd convolution share; see conv2d_winograd_cpu.c. */
#ifndef TERN_KERNELS_CONV2D_WINOGRAD_CPU_H
#define TERN_KERNELS_CONV2D_WINOGRAD_CPU_H

#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/winograd_transform.h"

enum { LINE_FLOATS = 16, LINE_INTEGERS = 8 }; /* of a cache line */

/* A convolution of stride 1 with 3x3: forward, from x to y; or that of the output's
 * gradient, from the gradient of y to that of x. */
typedef struct winograd_plan {
    int64_t images, rows, columns;    /* of what is written                           */
    int64_t inputs, outputs, panels;  /* channels; panels of outputs                  */
    int64_t row_pad, column_pad;      /* of what is read                              */
    int64_t tile_rows, tile_columns, tiles; /* of an image; of all images             */
    int64_t blocks, groups;           /* of tiles; of panels                          */
    bool paired;         /* so few inputs that a vector is that of two tiles          */
    int64_t input_pitch, product_pitch; /* from tile to tile                          */
    int64_t weight_point, input_point, product_point; /* from point to point          */
    int64_t worker_floats;

    image_source x;
    const float *zeros, *last_copy; /* pixels: see find_pixels */
    const float *weights, *bias;
    float *scratch; /* of the workers                   */
    int64_t *held;  /* the block whose inputs are there, LINE_INTEGERS apart */
    float *sums, *y; /* y: another place for what the activation makes of them */
    bool accumulate;
    tern_activation activation;
} winograd_plan;

/* A tile's image, and its first output pixel. */
typedef struct winograd_place {
    int64_t image, row, column;
} winograd_place;

static inline winograd_place winograd_place_of(const winograd_plan *plan, int64_t tile)
{
    return (winograd_place){
        .image = tile / plan->tile_columns / plan->tile_rows,
        .row = tile / plan->tile_columns % plan->tile_rows * WINOGRAD_OUT,
        .column = tile % plan->tile_columns * WINOGRAD_OUT,
    };
}

/* From one point to the next: an odd number of cache lines, since 36 addresses that are a
 * power of two apart would share a few places in the cache. */
static inline int64_t winograd_point_floats(int64_t floats)
{
    return (divide_up(floats, LINE_FLOATS) | 1) * LINE_FLOATS;
}

/* conv2d_winograd_cpu.c: how forward cuts y into tiles. */
winograd_plan TERN_LEVEL(tern_winograd_forward_plan)(const tern_call *call);

/* conv2d_winograd_input_cpu.c: what is read beyond the images, which is to be made first; and
 * the tiles [first, last) of what is read, at the 36 points, to [36][tiles][input_pitch]. */
int64_t TERN_LEVEL(tern_winograd_margin_floats)(const winograd_plan *plan);
void TERN_LEVEL(tern_winograd_make_margin)(winograd_plan *plan, float *margin);
void TERN_LEVEL(tern_winograd_inputs)(const winograd_plan *plan, int64_t first, int64_t last,
                                      float *inputs);

/* conv2d_winograd_weight_cpu.c: the kernel at the 36 points,
 *      to [36][panels][inputs][PANEL_WIDTH],
 * weight_point floats from one point to the next.  `turned`: for the gradient of x, with
 * O for inputs, I for outputs, and the kernel turned. */
void TERN_LEVEL(tern_winograd_weights)(tern_call *call, const winograd_plan *plan, bool turned,
                                       float *to);

/* conv2d_winograd_block_cpu.c, for tern_parallel: tile = block * groups + group. */
void TERN_LEVEL(tern_winograd_block)(void *argument, int64_t tile, int worker);

#endif
