/* conv2d on cpu by Winograd: one block of tiles, see conv2d_winograd_cpu.c.
 *
 *      6x6 pixels of x  ->  inputs    [36][tiles][I]                conv2d_winograd_input_cpu.c
 *                           products  [36][tiles][product_pitch] one panel after the other
 *                                                     ->  4x4 pixels of y or x's gradient
 *
 * The transform takes a vector of channels at a time from points to pixels; the first half,
 * along columns, waits on the stack for the second, along rows.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

#include <math.h>

/* ----------------------------------------------------------- products -- */

/* One panel of a block's products, [36][tiles][product_pitch]. */
static void multiply(const winograd_plan *plan, int64_t tiles, int64_t panel, const float *inputs,
                     float *products)
{
    static const float zeros[PANEL_WIDTH] = { 0 };
    const panel_product product = {
        .rows = tiles, .outer = 1, .middle = 1, .inner = plan->inputs,
        .width = panel_pitch(panel_columns(plan->outputs, panel)),
        .a = inputs, .a_row = plan->input_pitch, .a_inner = 1,
        .panel = plan->weights + panel * PANEL_WIDTH * plan->inputs, .start = zeros,
        .c = products, .c_row = plan->product_pitch,
        .batch = WINOGRAD_POINTS, .a_batch = plan->input_point,
        .panel_batch = plan->weight_point, .c_batch = plan->product_point,
    };
    TERN_LEVEL(tern_panel_product)(&product);
}

/* ------------------------------------------------------------ outputs -- */

/* Where a tile's sums go: `channels` of them for each pixel, rows and columns inside. */
typedef struct output_tile {
    float *sums;
    int64_t rows, columns, channels;
    tern_vf bias;
    float floor; /* zero of ReLU, else minus infinity */
} output_tile;

/* A vector of channels of one tile; `whole` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void
transform_output(const winograd_plan *plan, const float *from, const output_tile *tile,
                 const bool whole)
{
    const int64_t row_step = plan->columns * plan->outputs, point = plan->product_point;
    tern_vf half[WINOGRAD_OUT][WINOGRAD_IN], in[WINOGRAD_IN], out[WINOGRAD_OUT];
    const int64_t channels = whole ? TERN_LANES : tile->channels;

    TERN_UNROLL for (int j = 0; j < WINOGRAD_IN; j++) {
        TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            in[i] = tern_load(from + (i * WINOGRAD_IN + j) * point);
        winograd_output(in, out);
        TERN_UNROLL for (int i = 0; i < WINOGRAD_OUT; i++)
            half[i][j] = out[i];
    }
    TERN_UNROLL for (int i = 0; i < WINOGRAD_OUT; i++) {
        winograd_output(half[i], out);
        TERN_UNROLL for (int j = 0; j < WINOGRAD_OUT; j++) {
            float *sum = tile->sums + i * row_step + j * plan->outputs;
            if (!whole && (i >= tile->rows || j >= tile->columns))
                continue;
            tern_vf value = out[j] + tile->bias;
            if (plan->accumulate)
                value += tern_load_part(sum, channels);
            value = tern_select(value < tile->floor, tern_splat(tile->floor), value);
            tern_store_part(sum, value, channels);
        }
    }
}

static void activate_tile(const winograd_plan *plan, const output_tile *tile)
{
    float *y = plan->y + (tile->sums - plan->sums);
    for (int64_t i = 0; i < tile->rows; i++)
        for (int64_t j = 0; j < tile->columns; j++) {
            int64_t at = (i * plan->columns + j) * plan->outputs;
            tern_vf value = tern_load_part(tile->sums + at, tile->channels);
            tern_store_part(y + at, tern_vactivate(plan->activation, value), tile->channels);
        }
}

/* One panel of the tiles of a block. */
static void transform_outputs(const winograd_plan *plan, int64_t first, int64_t last,
                              int64_t panel, const float *products)
{
    const int64_t width = panel_columns(plan->outputs, panel), channel = panel * PANEL_WIDTH;
    const bool is_relu = plan->activation == TERN_ACT_RELU;
    for (int64_t number = first; number < last; number++, products += plan->product_pitch) {
        winograd_place place = winograd_place_of(plan, number);
        float *sums = plan->sums + channel +
                      ((place.image * plan->rows + place.row) * plan->columns + place.column) *
                          plan->outputs;
        output_tile tile = {
            .rows = smaller(plan->rows - place.row, WINOGRAD_OUT),
            .columns = smaller(plan->columns - place.column, WINOGRAD_OUT),
            .floor = is_relu ? 0 : -INFINITY,
        };
        for (int64_t j = 0; j < width; j += TERN_LANES) {
            tile.sums = sums + j;
            tile.channels = smaller(width - j, TERN_LANES);
            tile.bias = plan->bias ? tern_load_part(plan->bias + channel + j, tile.channels)
                                   : (tern_vf){ 0 };
            if (tile.rows == WINOGRAD_OUT && tile.columns == WINOGRAD_OUT &&
                tile.channels == TERN_LANES)
                transform_output(plan, products + j, &tile, true);
            else
                transform_output(plan, products + j, &tile, false);
            if (plan->activation != TERN_ACT_NONE && !is_relu)
                activate_tile(plan, &tile);
        }
    }
}

/* -------------------------------------------------------------- block -- */

void TERN_LEVEL(tern_winograd_block)(void *argument, int64_t tile, int worker)
{
    const winograd_plan *plan = argument;
    int64_t block = tile / plan->groups, group = tile % plan->groups;
    int64_t first = plan->tiles * block / plan->blocks;
    int64_t last = plan->tiles * (block + 1) / plan->blocks;
    int64_t *held = plan->held + worker * LINE_INTEGERS;
    float *inputs = plan->scratch + worker * plan->worker_floats;
    float *products = inputs + WINOGRAD_POINTS * plan->input_point;

    if (*held != block)
        TERN_LEVEL(tern_winograd_inputs)(plan, first, last, inputs);
    *held = block;
    for (int64_t panel = plan->panels * group / plan->groups;
         panel < plan->panels * (group + 1) / plan->groups; panel++) {
        multiply(plan, last - first, panel, inputs, products);
        transform_outputs(plan, first, last, panel, products);
    }
}
