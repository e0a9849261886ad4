/* conv2d on cpu by Winograd: the gradients of weight and bias, for kernels of 3x3 and stride 1,
 * in a quarter of the multiplications.
 *
 * A tile of 4x4 pixels of the output's gradient meets 6x6 pixels of x, those which forward reads
 * for it, in 3x3 places: F(3x3,4x4), winograd_transform.h.  The way back from the points is
 * linear, so it is gone once, after all tiles have been summed at the points:
 *
 *      x         6x6 pixels a tile -> inputs    [36][tiles][I]
 *      gradient  4x4 pixels a tile -> gradients [36][tiles][PANEL_WIDTH]
 *      sums      [36][I][PANEL_WIDTH] += inputs' gradients       one block of tiles after another
 *                                  -> 3x3 elements of the gradient of weight
 *
 * Per tile: 36 I O multiply-adds and about 144 additions and multiplications for each input
 * channel and 96 for each output channel, against 144 I O.
 *
 * A tile of work is (chunk of tiles, group of panels) and owns its sums; inputs are transformed
 * anew for each group.  Sums of chunks are added in their order; extents depend on the shapes
 * alone, so the bits do not depend on the number of threads.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

#include "core/threads.h"

/* MOST_SUMS, in floats, keeps the sums of all chunks in the caches. */
enum { BLOCK_TILES = 56, LEAST_TILES = 14, ENOUGH_WORK = 16, MOST_SUMS = 3 << 19 };

typedef struct grad_weight_plan {
    winograd_plan x; /* as forward cuts and reads it */
    image_source grad_y;
    int64_t chunks, groups;
    int64_t gradient_point, sum_point; /* from point to point                  */
    int64_t panel_floats, chunk_floats, worker_floats;
    float *sums;      /* [chunks][panels][36][I][pitch]     */
    float *bias_sums; /* [chunks][panels][PANEL_WIDTH]      */
    float *scratch;   /* of the workers                     */
    float *grad_weight, *grad_bias;
    bool accumulate_weight, accumulate_bias;
} grad_weight_plan;

static grad_weight_plan plan_of(const tern_call *call)
{
    grad_weight_plan plan = { .x = TERN_LEVEL(tern_winograd_forward_plan)(call) };
    winograd_plan *x = &plan.x;
    const int64_t width = smaller(PANEL_WIDTH, panel_pitch(x->outputs));

    x->input_point = winograd_point_floats(BLOCK_TILES * x->input_pitch);
    plan.gradient_point = winograd_point_floats(BLOCK_TILES * width);
    plan.sum_point = winograd_point_floats(x->inputs * width);
    plan.panel_floats = WINOGRAD_POINTS * plan.sum_point;
    plan.chunk_floats = x->panels * plan.panel_floats;
    plan.worker_floats = WINOGRAD_POINTS * (x->input_point + plan.gradient_point);

    plan.chunks = smaller(divide_up(x->tiles, LEAST_TILES), ENOUGH_WORK);
    while (plan.chunks > 1 && plan.chunks * plan.chunk_floats > MOST_SUMS)
        plan.chunks = divide_up(plan.chunks, 2);
    plan.groups = smaller(x->panels, divide_up(ENOUGH_WORK, plan.chunks));
    return plan;
}

static int64_t pitch_of(const grad_weight_plan *plan, int64_t panel)
{
    return panel_pitch(panel_columns(plan->x.outputs, panel));
}

/* ---------------------------------------------------------- gradients -- */

/* Where a tile's gradient is: so many rows, columns and channels of it. */
typedef struct gradient_tile {
    int64_t at, rows, columns, channels;
} gradient_tile;

static inline __attribute__((always_inline)) tern_vf
read_pixel(const image_source *source, const gradient_tile *tile, int64_t i, int64_t j,
           const bool whole)
{
    int64_t at = tile->at + (i * source->columns + j) * source->channels;
    if (!whole && (i >= tile->rows || j >= tile->columns))
        return (tern_vf){ 0 };
    if (source->activation != TERN_ACT_NONE)
        return read_vector(source, at, whole ? TERN_LANES : tile->channels);
    return whole ? tern_load(source->values + at)
                 : tern_load_part(source->values + at, tile->channels);
}

/* A vector of channels of one tile, to the points; returns its sum over the pixels. */
static inline __attribute__((always_inline)) tern_vf
transform_gradient(const image_source *source, const gradient_tile *tile, const bool whole,
                   float *to, int64_t point)
{
    tern_vf half[WINOGRAD_IN][WINOGRAD_OUT], in[WINOGRAD_OUT], out[WINOGRAD_IN];
    tern_vf sum = { 0 };

    TERN_UNROLL for (int j = 0; j < WINOGRAD_OUT; j++) {
        TERN_UNROLL for (int i = 0; i < WINOGRAD_OUT; i++)
            in[i] = read_pixel(source, tile, i, j, whole);
        sum += (in[0] + in[1]) + (in[2] + in[3]);
        winograd_gradient(in, out);
        TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++)
            half[i][j] = out[i];
    }
    TERN_UNROLL for (int i = 0; i < WINOGRAD_IN; i++) {
        winograd_gradient(half[i], out);
        TERN_UNROLL for (int j = 0; j < WINOGRAD_IN; j++)
            tern_store(to + (i * WINOGRAD_IN + j) * point, out[j]);
    }
    return sum;
}

/* One panel of the tiles [first, last); their pixels are added to bias. */
static void transform_gradients(const grad_weight_plan *plan, int64_t first, int64_t last,
                                int64_t panel, float *gradients, float *bias)
{
    const image_source *source = &plan->grad_y;
    const int64_t width = panel_columns(plan->x.outputs, panel), pitch = panel_pitch(width);

    for (int64_t number = first; number < last; number++, gradients += pitch) {
        winograd_place place = winograd_place_of(&plan->x, number);
        int64_t pixel = (place.image * source->rows + place.row) * source->columns + place.column;
        gradient_tile tile = { .at = pixel * source->channels + panel * PANEL_WIDTH,
                               .rows = smaller(source->rows - place.row, WINOGRAD_OUT),
                               .columns = smaller(source->columns - place.column, WINOGRAD_OUT) };
        for (int64_t j = 0; j < pitch; j += TERN_LANES, tile.at += TERN_LANES) {
            tile.channels = smaller(width - j, TERN_LANES);
            bool whole = tile.rows == WINOGRAD_OUT && tile.columns == WINOGRAD_OUT &&
                         tile.channels == TERN_LANES;
            float *to = gradients + j;
            tern_vf sum =
                whole ? transform_gradient(source, &tile, true, to, plan->gradient_point)
                      : transform_gradient(source, &tile, false, to, plan->gradient_point);
            tern_store(bias + j, tern_load(bias + j) + sum);
        }
    }
}

/* --------------------------------------------------------------- sums -- */

/* At each point [I, tiles] [tiles, pitch], added to the sums but for the first block. */
static void multiply(const grad_weight_plan *plan, int64_t tiles, int64_t pitch,
                     const float *inputs, const float *gradients, float *sums, bool is_first)
{
    static const float zeros[PANEL_WIDTH] = { 0 };
    const panel_product product = {
        .rows = plan->x.inputs, .outer = 1, .middle = 1, .inner = tiles, .width = pitch,
        .a = inputs, .a_row = 1, .a_inner = plan->x.input_pitch, .panel = gradients,
        .start = is_first ? zeros : sums, .start_row = is_first ? 0 : pitch,
        .c = sums, .c_row = pitch,
        .batch = WINOGRAD_POINTS, .a_batch = plan->x.input_point,
        .panel_batch = plan->gradient_point, .start_batch = is_first ? 0 : plan->sum_point,
        .c_batch = plan->sum_point,
    };
    TERN_LEVEL(tern_panel_product)(&product);
}

static void chunk_tile(void *argument, int64_t tile, int worker)
{
    const grad_weight_plan *plan = argument;
    const int64_t tiles = plan->x.tiles, chunk = tile / plan->groups, group = tile % plan->groups;
    const int64_t first = tiles * chunk / plan->chunks;
    const int64_t count = tiles * (chunk + 1) / plan->chunks - first;
    const int64_t panel = plan->x.panels * group / plan->groups;
    const int64_t last_panel = plan->x.panels * (group + 1) / plan->groups;
    const int64_t blocks = divide_up(count, BLOCK_TILES);
    float *sums = plan->sums + chunk * plan->chunk_floats;
    float *bias = plan->bias_sums + chunk * plan->x.panels * PANEL_WIDTH;
    float *inputs = plan->scratch + worker * plan->worker_floats;
    float *gradients = inputs + WINOGRAD_POINTS * plan->x.input_point;

    memset(bias + panel * PANEL_WIDTH, 0,
           (size_t)((last_panel - panel) * PANEL_WIDTH) * sizeof(float));
    for (int64_t block = 0; block < blocks; block++) {
        int64_t from = first + count * block / blocks, to = first + count * (block + 1) / blocks;
        TERN_LEVEL(tern_winograd_inputs)(&plan->x, from, to, inputs);
        for (int64_t p = panel; p < last_panel; p++) {
            transform_gradients(plan, from, to, p, gradients, bias + p * PANEL_WIDTH);
            multiply(plan, to - from, pitch_of(plan, p), inputs, gradients,
                     sums + p * plan->panel_floats, block == 0);
        }
    }
}

/* ----------------------------------------------------------- elements -- */

/* From the points to the nine elements, a vector of output channels for one input channel:
 * element e to to[e * TERN_LANES * TERN_LANES]. */
static void transform_sums(const grad_weight_plan *plan, const float *sums, float *to)
{
    tern_vf half[WINOGRAD_KERNEL][WINOGRAD_IN], in[WINOGRAD_IN], out[WINOGRAD_KERNEL];

    for (int j = 0; j < WINOGRAD_IN; j++) {
        for (int i = 0; i < WINOGRAD_IN; i++) {
            const float *sum = sums + (i * WINOGRAD_IN + j) * plan->sum_point;
            in[i] = tern_load(sum);
            for (int64_t chunk = 1; chunk < plan->chunks; chunk++)
                in[i] += tern_load(sum + chunk * plan->chunk_floats);
        }
        winograd_element(in, out);
        TERN_UNROLL for (int i = 0; i < WINOGRAD_KERNEL; i++)
            half[i][j] = out[i];
    }
    for (int i = 0; i < WINOGRAD_KERNEL; i++) {
        winograd_element(half[i], out);
        TERN_UNROLL for (int j = 0; j < WINOGRAD_KERNEL; j++)
            tern_store(to + (i * WINOGRAD_KERNEL + j) * TERN_LANES * TERN_LANES, out[j]);
    }
}

/* TERN_LANES input channels of a panel. */
static void element_tile(void *argument, int64_t tile, int worker)
{
    enum { ELEMENTS = WINOGRAD_KERNEL * WINOGRAD_KERNEL, SQUARE = TERN_LANES * TERN_LANES };
    const grad_weight_plan *plan = argument;
    const int64_t panel = tile % plan->x.panels, first = tile / plan->x.panels * TERN_LANES;
    const int64_t inputs = plan->x.inputs, count = smaller(inputs - first, TERN_LANES);
    const int64_t width = panel_columns(plan->x.outputs, panel), pitch = panel_pitch(width);
    const float *sums = plan->sums + panel * plan->panel_floats + first * pitch;
    float elements[ELEMENTS * SQUARE] = { 0 }, square[SQUARE]; /* [9][inputs][outputs] */

    (void)worker;
    for (int64_t j = 0; j < width; j += TERN_LANES) {
        for (int64_t i = 0; i < count; i++)
            transform_sums(plan, sums + i * pitch + j, elements + i * TERN_LANES);
        for (int64_t e = 0; e < ELEMENTS; e++) {
            float *grad = plan->grad_weight +
                          ((panel * PANEL_WIDTH + j) * ELEMENTS + e) * inputs + first;
            tern_transpose_square(elements + e * SQUARE, TERN_LANES, square, TERN_LANES);
            for (int64_t o = 0; o < smaller(width - j, TERN_LANES); o++)
                tern_store_grad(grad + o * ELEMENTS * inputs, tern_load(square + o * TERN_LANES),
                                count, plan->accumulate_weight);
        }
    }
}

static void sum_bias(const grad_weight_plan *plan)
{
    for (int64_t o = 0; o < plan->x.outputs; o++) {
        float sum = plan->bias_sums[o];
        for (int64_t chunk = 1; chunk < plan->chunks; chunk++)
            sum += plan->bias_sums[chunk * plan->x.panels * PANEL_WIDTH + o];
        plan->grad_bias[o] = plan->accumulate_bias ? plan->grad_bias[o] + sum : sum;
    }
}

/* --------------------------------------------------------------- call -- */

void TERN_LEVEL(tern_conv2d_winograd_grad_weight)(tern_call *call, float *workspace)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    const conv2d_geometry g = conv2d_geometry_of(call);
    grad_weight_plan plan = plan_of(call);

    plan.x.x = x_source(call, &g);
    plan.grad_y = gradient_source(call, &g);
    TERN_LEVEL(tern_winograd_make_margin)(&plan.x, workspace);
    plan.bias_sums = workspace + TERN_LEVEL(tern_winograd_margin_floats)(&plan.x);
    plan.sums = plan.bias_sums + plan.chunks * plan.x.panels * PANEL_WIDTH;
    plan.scratch = plan.sums + plan.chunks * plan.chunk_floats;
    tern_parallel(pool, plan.chunks * plan.groups, chunk_tile, &plan);

    plan.grad_weight = call->grad_in[1]->data;
    plan.accumulate_weight = call->accumulate[1];
    tern_parallel(pool, plan.x.panels * divide_up(plan.x.inputs, TERN_LANES), element_tile, &plan);
    if (call->grad_in[2]) {
        plan.grad_bias = call->grad_in[2]->data;
        plan.accumulate_bias = call->accumulate[2];
        sum_bias(&plan);
    }
}

int64_t TERN_LEVEL(tern_conv2d_winograd_grad_weight_floats)(const tern_call *call)
{
    const grad_weight_plan plan = plan_of(call);
    return TERN_LEVEL(tern_winograd_margin_floats)(&plan.x) +
           plan.chunks * (plan.chunk_floats + plan.x.panels * PANEL_WIDTH) +
           tern_pool_threads(tern_ctx_pool(call->ctx)) * plan.worker_floats;
}

double TERN_LEVEL(tern_conv2d_winograd_grad_weight_flops)(const tern_call *call)
{
    const grad_weight_plan plan = plan_of(call);
    const double inputs = (double)plan.x.inputs, outputs = (double)plan.x.outputs;
    return (double)plan.x.tiles *
               (2 * WINOGRAD_POINTS * inputs * outputs +
                WINOGRAD_INPUT_FLOPS * inputs * (double)plan.groups +
                WINOGRAD_GRADIENT_FLOPS * outputs) +
           (WINOGRAD_POINTS * (double)(plan.chunks - 1) + WINOGRAD_ELEMENT_FLOPS) * inputs *
               outputs;
}
