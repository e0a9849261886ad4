/* conv2d on cpu by Winograd: 6x6 pixels of what is read, to the 36 points.
 *
 *      x  6x6 pixels a tile  ->  inputs [36][tiles][input_pitch]
 *
 * A vector of channels at a time; the first half of the transform, along columns, waits on the
 * stack for the second, along rows.  Cost: about 144 additions and multiplications a tile and
 * channel, and 36 loads and stores; with few channels a vector is that of two tiles.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

int64_t TERN_LEVEL(tern_winograd_margin_floats)(const winograd_plan *plan)
{
    return 2 * whole_lines(plan->input_pitch);
}

void TERN_LEVEL(tern_winograd_make_margin)(winograd_plan *plan, float *margin)
{
    const int64_t row = whole_lines(plan->input_pitch);
    const image_source *x = &plan->x;
    const float *last = x->values + (plan->images * x->rows * x->columns - 1) * x->channels;

    memset(margin, 0, (size_t)(2 * row) * sizeof(float));
    plan->zeros = margin;
    plan->last_copy = x->activation == TERN_ACT_NONE
                          ? memcpy(margin + row, last, (size_t)plan->inputs * sizeof(float))
                          : NULL;
}

/* A tile's pixels of x, 6x6 of them; those beyond the image are zeros.  A vector of channels
 * that begins in a pixel may end in the next one: what becomes of that is not used.  Beyond
 * the last pixel of all there may be nothing to read, so there is a longer copy of it. */
static void find_pixels(const winograd_plan *plan, winograd_place place, const float **pixel)
{
    const image_source *x = &plan->x;
    const int64_t step = x->channels;
    int64_t row = place.row - plan->row_pad, column = place.column - plan->column_pad;
    int64_t left = -column, right = x->columns - column; /* columns inside: left <= j < right */

    for (int64_t i = 0; i < WINOGRAD_IN; i++, row++) {
        int64_t at = ((place.image * x->rows + row) * x->columns + column) * step;
        bool is_inside = row >= 0 && row < x->rows;
        TERN_UNROLL for (int64_t j = 0; j < WINOGRAD_IN; j++)
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

    TERN_UNROLL for (int j = 0; j < WINOGRAD_IN; j++) {
        TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
            const float *const *at = pixel + i * WINOGRAD_IN + j;
            in[i] = paired ? load_pair(at[0], at[WINOGRAD_POINTS]) : tern_load(*at + channel);
        }
        winograd_input(in, out);
        TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            half[i][j] = out[i];
    }
    TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
        winograd_input(half[i], out);
        TERN_UNROLL for (int j = 0; j < WINOGRAD_IN; j++)
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

void TERN_LEVEL(tern_winograd_inputs)(const winograd_plan *plan, int64_t first, int64_t last,
                                      float *inputs)
{
    enum { MOST = 2 * WINOGRAD_POINTS };
    const float *pixel[MOST], *sloped[MOST];
    float product[MOST * TERN_LANES];
    int64_t tiles = plan->paired ? 2 : 1;

    for (int64_t tile = first; tile < last; tile += tiles, inputs += tiles * plan->input_pitch) {
        find_pixels(plan, winograd_place_of(plan, tile), pixel);
        if (plan->paired)
            find_pixels(plan, winograd_place_of(plan, smaller(tile + 1, last - 1)),
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
