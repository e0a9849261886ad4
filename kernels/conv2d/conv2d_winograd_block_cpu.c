/* conv2d on cpu by Winograd: one block of tiles, see conv2d_winograd_cpu.c.
 *
 *      6x6 pixels of x  ->  inputs    [36][tiles][I]
 *                           products  [36][tiles][PANEL_WIDTH]   one panel after the other
 *                                                     ->  4x4 pixels of y or x's gradient
 *
 * Both transforms take a vector of channels at a time from pixels to points or back; the first
 * half, along columns, waits on the stack for the second, along rows.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

#include <math.h>

/* ------------------------------------------------------------- inputs -- */

/* A tile's place: its number, and its first output pixel. */
typedef struct tile_place {
    int64_t image, row, column;
} tile_place;

static tile_place place_of(const winograd_plan *plan, int64_t tile)
{
    return (tile_place){
        .image = tile / plan->tile_columns / plan->tile_rows,
        .row = tile / plan->tile_columns % plan->tile_rows * WINOGRAD_OUT,
        .column = tile % plan->tile_columns * WINOGRAD_OUT,
    };
}

/* A tile's pixels of x, 6x6 of them; those beyond the image are zeros.  A vector of channels
 * that begins in a pixel may end in the next one: what becomes of that is not used.  Beyond
 * the last pixel of all there may be nothing to read, so there is a longer copy of it. */
static void find_pixels(const winograd_plan *plan, tile_place place, const float **pixel)
{
    const image_source *x = &plan->x;
    const int64_t step = x->channels;
    int64_t row = place.row - plan->row_pad, column = place.column - plan->column_pad;
    int64_t left = -column, right = x->columns - column; /* columns inside: left <= j < right */

    for (int64_t i = 0; i < WINOGRAD_IN; i++, row++) {
        int64_t at = ((place.image * x->rows + row) * x->columns + column) * step;
        bool is_inside = row >= 0 && row < x->rows;
        UNROLL for (int64_t j = 0; j < WINOGRAD_IN; j++)
            pixel[i * WINOGRAD_IN + j] =
                (is_inside & (j >= left) & (j < right)) ? x->values + at + j * step : plan->zeros;
    }
    row = x->rows - 1 - (place.row - plan->row_pad);
    column = x->columns - 1 - column;
    if (place.image == plan->images - 1 && row >= 0 && row < WINOGRAD_IN && column >= 0 &&
        column < WINOGRAD_IN && plan->last_copy)
        pixel[row * WINOGRAD_IN + column] = plan->last_copy;
}

/* Half a vector from each address. */
typedef float half_vector __attribute__((vector_size(TERN_VECTOR_BYTES / 2)));

static inline tern_vf load_pair(const float *low, const float *high)
{
    half_vector a, b;
    memcpy(&a, low, sizeof a);
    memcpy(&b, high, sizeof b);
#if defined(__AVX512F__)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return __builtin_shufflevector(a, b, 0, 1, 2, 3);
#endif
}

/* A vector of channels from 6x6 pixels to the 36 points; or half a vector each of two tiles,
 * that of pixel and that of pixel + 36. */
static inline __attribute__((always_inline)) void
transform_input(const float *const *pixel, int64_t channel, const bool paired, float *to,
                int64_t point)
{
    tern_vf half[WINOGRAD_IN][WINOGRAD_IN], in[WINOGRAD_IN], out[WINOGRAD_IN];

    UNROLL for (int j = 0; j < WINOGRAD_IN; j++) {
        UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
            const float *const *at = pixel + i * WINOGRAD_IN + j;
            in[i] = paired ? load_pair(at[0], at[WINOGRAD_POINTS]) : tern_load(*at + channel);
        }
        winograd_input(in, out);
        UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            half[i][j] = out[i];
    }
    UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
        winograd_input(half[i], out);
        UNROLL for (int j = 0; j < WINOGRAD_IN; j++)
            tern_store(to + (i * WINOGRAD_IN + j) * point, out[j]);
    }
}

/* Pixels of a gradient that is still to be multiplied by the activation's slope: the product,
 * and where it is. */
static void apply_slope(const winograd_plan *plan, const float *const *pixel, int64_t count,
                        int64_t channel, float *product, const float **at)
{
    const image_source *x = &plan->x;
    int64_t n = smaller(plan->inputs - channel, TERN_LANES);
    for (int64_t k = 0; k < count; k++, product += TERN_LANES) {
        at[k] = product;
        tern_store(product, pixel[k] == plan->zeros
                                ? (tern_vf){ 0 }
                                : read_vector(x, pixel[k] - x->values + channel, n));
    }
}

static void transform_inputs(const winograd_plan *plan, int64_t first, int64_t last, float *inputs)
{
    enum { MOST = 2 * WINOGRAD_POINTS };
    const float *pixel[MOST], *sloped[MOST];
    float product[MOST * TERN_LANES];
    int64_t tiles = plan->paired ? 2 : 1;

    for (int64_t tile = first; tile < last; tile += tiles, inputs += tiles * plan->input_pitch) {
        find_pixels(plan, place_of(plan, tile), pixel);
        if (plan->paired)
            find_pixels(plan, place_of(plan, smaller(tile + 1, last - 1)),
                        pixel + WINOGRAD_POINTS);
        for (int64_t c = 0; c < plan->inputs; c += TERN_LANES) {
            const float **from = pixel;
            int64_t channel = c;
            if (plan->x.activation != TERN_ACT_NONE) {
                apply_slope(plan, pixel, tiles * WINOGRAD_POINTS, c, product, sloped);
                from = sloped;
                channel = 0;
            }
            if (plan->paired)
                transform_input(from, 0, true, inputs, plan->input_point);
            else
                transform_input(from, channel, false, inputs + c, plan->input_point);
        }
    }
}

/* ----------------------------------------------------------- products -- */

/* One panel of a block's products, [36][tiles][PANEL_WIDTH]. */
static void multiply(const winograd_plan *plan, int64_t tiles, int64_t panel, const float *inputs,
                     float *products)
{
    static const float zeros[PANEL_WIDTH] = { 0 };
    const panel_product product = {
        .rows = tiles, .outer = 1, .middle = 1, .inner = plan->inputs,
        .width = panel_pitch(panel_columns(plan->outputs, panel)),
        .a = inputs, .a_row = plan->input_pitch, .a_inner = 1,
        .panel = plan->weights + panel * PANEL_WIDTH * plan->inputs, .start = zeros,
        .c = products, .c_row = PANEL_WIDTH,
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

    UNROLL for (int j = 0; j < WINOGRAD_IN; j++) {
        UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            in[i] = tern_load(from + (i * WINOGRAD_IN + j) * point);
        winograd_output(in, out);
        UNROLL for (int i = 0; i < WINOGRAD_OUT; i++)
            half[i][j] = out[i];
    }
    UNROLL for (int i = 0; i < WINOGRAD_OUT; i++) {
        winograd_output(half[i], out);
        UNROLL for (int j = 0; j < WINOGRAD_OUT; j++) {
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
    for (int64_t number = first; number < last; number++, products += PANEL_WIDTH) {
        tile_place place = place_of(plan, number);
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
        transform_inputs(plan, first, last, inputs);
    *held = block;
    for (int64_t panel = plan->panels * group / plan->groups;
         panel < plan->panels * (group + 1) / plan->groups; panel++) {
        multiply(plan, last - first, panel, inputs, products);
        transform_outputs(plan, first, last, panel, products);
    }
}
