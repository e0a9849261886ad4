/* conv2d on cpu by Winograd's F(4x4,3x3), winograd_transform.h: kernels of 3x3, stride 1,
 * in a quarter of the multiplications; also the gradient of x of such a convolution, which
 * is one over the output's gradient with the kernel turned by half a turn.
 *
 * The output is cut into tiles of 4x4 pixels; a tile sees 6x6 pixels of x, which overlap
 * those of its neighbours by two.  At each of the 36 points the channels are mixed by a small
 * matrix product over a block of tiles:
 *
 *      x  6x6 pixels a tile ->  inputs   [36][tiles][I]
 *                               weights  [36][panels of O][I][PANEL_WIDTH]
 *                               products [36][tiles][O]     -> y  4x4 pixels a tile
 *
 * Channels are the vectors of both transforms.  A block is so small that its inputs and
 * products stay in the L2 cache, and large enough that the weights, four times as many as the
 * kernel's, are read for many tiles at once.  Tiles are numbered through all images, so that
 * small images share a block.
 *
 * Per tile: 36 I O multiply-adds and about 144 additions and multiplications for each
 * input channel and 120 for each output channel, against 144 I O.
 *
 * A tile of work is (block, group of panels).  A worker that has just transformed a block's
 * inputs does not do so again for the next group.  Extents depend on the shapes alone.
 */
#include "kernels/conv2d/conv2d_winograd_cpu.h"

#include "core/packing.h"
#include "core/threads.h"

/* Tiles of a block: many, since weights are read once for each block, but enough blocks. */
enum { MOST_TILES = 56, LEAST_TILES = 14, ENOUGH_WORK = 16 };

/* A convolution with a kernel of 3x3: forward, or of the output's gradient. */
static winograd_plan plan_of(int64_t images, int64_t rows, int64_t columns, int64_t inputs,
                             int64_t outputs)
{
    winograd_plan plan = { .images = images, .rows = rows, .columns = columns, .inputs = inputs,
                           .outputs = outputs };
    int64_t block_tiles = MOST_TILES;

    plan.tile_rows = divide_up(rows, WINOGRAD_OUT);
    plan.tile_columns = divide_up(columns, WINOGRAD_OUT);
    plan.tiles = images * plan.tile_rows * plan.tile_columns;
    plan.panels = panel_count(outputs);
    plan.paired = 2 * inputs <= TERN_LANES;
    plan.input_pitch = plan.paired ? TERN_LANES / 2 : panel_pitch(inputs);
    plan.product_pitch = smaller(PANEL_WIDTH, panel_pitch(outputs));

    while (block_tiles > LEAST_TILES && block_tiles <= 2 * plan.tiles &&
           divide_up(plan.tiles, block_tiles) * plan.panels < ENOUGH_WORK)
        block_tiles /= 2;
    plan.blocks = larger(divide_up(plan.tiles, block_tiles), 1);
    plan.groups = smaller(plan.panels, divide_up(ENOUGH_WORK, plan.blocks));

    plan.weight_point = winograd_point_floats(inputs * panel_pitch(outputs));
    plan.input_point = winograd_point_floats(block_tiles * plan.input_pitch);
    plan.product_point = winograd_point_floats(block_tiles * plan.product_pitch);
    plan.worker_floats = WINOGRAD_POINTS * (plan.input_point + plan.product_point);
    return plan;
}

/* ---------------------------------------------------------------- run -- */

/* Floats of workspace: the weights, where they are not kept; zeros and a copy of the last pixel;
 * which block's inputs each worker holds; and what it owns. */
static int64_t plan_floats(const tern_call *call, const winograd_plan *plan, int64_t weights)
{
    return weights + TERN_LEVEL(tern_winograd_margin_floats)(plan) +
           tern_pool_threads(tern_ctx_pool(call->ctx)) * (LINE_FLOATS + plan->worker_floats);
}

static void run(tern_call *call, winograd_plan *plan, float *scratch)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    const int64_t workers = tern_pool_threads(pool);

    TERN_LEVEL(tern_winograd_make_margin)(plan, scratch);
    scratch += TERN_LEVEL(tern_winograd_margin_floats)(plan);
    plan->held = (int64_t *)scratch;
    for (int64_t worker = 0; worker < workers; worker++)
        plan->held[worker * LINE_INTEGERS] = -1;
    plan->scratch = scratch + workers * LINE_FLOATS;
    tern_parallel(pool, plan->blocks * plan->groups, TERN_LEVEL(tern_winograd_block), plan);
}

/* ------------------------------------------------------------ forward -- */

winograd_plan TERN_LEVEL(tern_winograd_forward_plan)(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    winograd_plan plan = plan_of(g.images, g.out_rows, g.out_columns, g.inputs, g.outputs);
    plan.row_pad = g.row_pad;
    plan.column_pad = g.column_pad;
    return plan;
}

/* Of workspace. */
static int64_t weight_floats(const tern_call *call, const winograd_plan *plan)
{
    return tern_packing_is_kept(call, 1) ? 0 : WINOGRAD_POINTS * plan->weight_point;
}

/* Where inference keeps them, or in the call's workspace; NULL after an error. */
static const float *forward_weights(tern_call *call, const winograd_plan *plan)
{
    float *weights = call->workspace;
    bool stale = true;
    if (tern_packing_is_kept(call, 1))
        weights = tern_packing(call, 1, "winograd panels",
                               (size_t)(WINOGRAD_POINTS * plan->weight_point) * sizeof(float),
                               &stale);
    if (weights && stale)
        TERN_LEVEL(tern_winograd_weights)(call, plan, false, weights);
    return weights;
}

void TERN_LEVEL(tern_conv2d_winograd)(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    const conv2d_geometry g = conv2d_geometry_of(call);
    winograd_plan plan = TERN_LEVEL(tern_winograd_forward_plan)(call);

    plan.x = x_source(call, &g);
    plan.bias = tern_in_values(call, 2);
    plan.y = call->out[0]->data;
    plan.sums = call->saved[0] ? call->saved[0]->data : plan.y;
    plan.activation = (tern_activation)opts->activation;
    if (plan.tiles > 0 && (plan.weights = forward_weights(call, &plan)))
        run(call, &plan, (float *)call->workspace + weight_floats(call, &plan));
}

int64_t TERN_LEVEL(tern_conv2d_winograd_floats)(const tern_call *call)
{
    const winograd_plan plan = TERN_LEVEL(tern_winograd_forward_plan)(call);
    return plan_floats(call, &plan, weight_floats(call, &plan));
}

/* ------------------------------------------------------ gradient of x -- */

static winograd_plan grad_x_plan(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    winograd_plan plan = plan_of(g.images, g.rows, g.columns, g.outputs, g.inputs);
    plan.row_pad = WINOGRAD_KERNEL - 1 - g.row_pad;
    plan.column_pad = WINOGRAD_KERNEL - 1 - g.column_pad;
    return plan;
}

void TERN_LEVEL(tern_conv2d_winograd_grad_x)(tern_call *call, float *workspace)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    winograd_plan plan = grad_x_plan(call);

    plan.x = gradient_source(call, &g);
    plan.sums = call->grad_in[0]->data;
    plan.accumulate = call->accumulate[0];
    plan.weights = workspace;
    TERN_LEVEL(tern_winograd_weights)(call, &plan, true, workspace);
    run(call, &plan, workspace + WINOGRAD_POINTS * plan.weight_point);
}

int64_t TERN_LEVEL(tern_conv2d_winograd_grad_x_floats)(const tern_call *call)
{
    const winograd_plan plan = grad_x_plan(call);
    return plan_floats(call, &plan, WINOGRAD_POINTS * plan.weight_point);
}

/* ------------------------------------------------------------ choosing -- */

/* From this number of channels on that are read, it was never slower than the direct
 * convolution at any SIMD level, on images from 2x2 up; with fewer the transform of the
 * inputs, whose vectors are channels, is mostly idle (3 channels: half as fast).
 *
 * The image's size does not count where inference keeps the weights: the same parameter may
 * meet images of any size, and is kept in one order. */
enum { LEAST_CHANNELS = 8 };

/* Where weights are transformed in each call, fewer tiles than this are not worth it. */
enum { TILES_PER_TRANSFORM = 4, TILES_PER_SUM = 8 };

static bool has_fitting_kernel(const conv2d_geometry *g)
{
    return g->groups == 1 && g->kernel_rows == 3 && g->kernel_columns == 3 &&
           g->row_stride == 1 && g->column_stride == 1 && g->row_dilation == 1 &&
           g->column_dilation == 1;
}

bool TERN_LEVEL(tern_conv2d_is_winograd)(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    const winograd_plan plan = TERN_LEVEL(tern_winograd_forward_plan)(call);
    return has_fitting_kernel(&g) && g.inputs >= LEAST_CHANNELS &&
           (tern_packing_is_kept(call, 1) || plan.tiles >= TILES_PER_TRANSFORM);
}

bool TERN_LEVEL(tern_conv2d_grad_x_is_winograd)(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    return has_fitting_kernel(&g) && g.outputs >= LEAST_CHANNELS &&
           grad_x_plan(call).tiles >= TILES_PER_TRANSFORM;
}

/* Sums at the points are to be cleared and transformed back for every weight. */
bool TERN_LEVEL(tern_conv2d_grad_weight_is_winograd)(const tern_call *call)
{
    const conv2d_geometry g = conv2d_geometry_of(call);
    return call->grad_in[1] && has_fitting_kernel(&g) && g.inputs >= LEAST_CHANNELS &&
           g.outputs >= LEAST_CHANNELS &&
           TERN_LEVEL(tern_winograd_forward_plan)(call).tiles >= TILES_PER_SUM;
}

static double plan_flops(const winograd_plan *plan, bool transforms_weights)
{
    double inputs = (double)plan->inputs, outputs = (double)plan->outputs;
    return (double)plan->tiles *
               (2 * WINOGRAD_POINTS * inputs * outputs + WINOGRAD_INPUT_FLOPS * inputs +
                WINOGRAD_OUTPUT_FLOPS * outputs) +
           (transforms_weights ? WINOGRAD_KERNEL_FLOPS * inputs * outputs : 0);
}

double TERN_LEVEL(tern_conv2d_winograd_flops)(const tern_call *call)
{
    const winograd_plan plan = TERN_LEVEL(tern_winograd_forward_plan)(call);
    return plan_flops(&plan, !tern_packing_is_kept(call, 1));
}

double TERN_LEVEL(tern_conv2d_winograd_grad_x_flops)(const tern_call *call)
{
    const winograd_plan plan = grad_x_plan(call);
    return plan_flops(&plan, true);
}
