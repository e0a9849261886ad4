/* conv2d on cpu: the gradient of x, as a convolution of the output's gradient.
 *
 * conv2d_phase.h tells which inputs share their kernel elements: those of one phase,
 * which are a stride apart.  Each phase is a convolution of stride 1 over the output's
 * gradient, with a part of the kernel, flipped.
 *
 * A tile of work is (image, block of strides of input rows, group); it copies the rows
 * of the output's gradient it needs between zeros, multiplied by the activation's
 * slope.  The weights are packed with input channels as panel columns,
 *
 *      [groups][panels of I/groups][row phase][column phase][t flipped][t flipped]
 *          [O/groups][PANEL_WIDTH]
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/threads.h"
#include "kernels/conv2d/conv2d_phase.h"

enum { TILE_MULTIPLY_ADDS = 4000000, ENOUGH_TILES = 16 };

/* Output indices that the first inputs of all phases need, [lowest, highest]. */
typedef struct phase_reach {
    int64_t lowest, highest;
} phase_reach;

static phase_reach reach_of(int64_t stride, int64_t pad, int64_t dilation, int64_t kernel)
{
    phase_reach reach = { INT64_MAX, INT64_MIN };
    for (int64_t index = 0; index < stride; index++) {
        conv2d_phase phase = conv2d_phase_of(index, stride, pad, dilation, kernel);
        if (phase.taps == 0)
            continue;
        reach.lowest = smaller(reach.lowest, phase.base - (phase.taps - 1) * phase.back);
        reach.highest = larger(reach.highest, phase.base);
    }
    return reach;
}

typedef struct grad_x_plan {
    conv2d_geometry g;
    int64_t taps, panels; /* kh*kw*O/groups rows of a panel, over all phases; of a group */
    int64_t row_strides, tile_strides, blocks;
    phase_reach rows, columns;
    int64_t window_columns;
    int64_t group_floats, packed_floats, window_floats;

    const float *weight;
    image_source grad_y;
    float *packed, *windows;
    float *grad_x;
    bool accumulate;
} grad_x_plan;

static grad_x_plan plan_grad_x(const tern_call *call)
{
    grad_x_plan plan = { .g = conv2d_geometry_of(call) };
    const conv2d_geometry *g = &plan.g;

    plan.taps = g->kernel_rows * g->kernel_columns * g->group_outputs;
    plan.panels = panel_count(g->group_inputs);
    plan.row_strides = divide_up(g->rows, g->row_stride);
    int64_t work = g->columns * plan.taps * plan.panels * PANEL_WIDTH / g->column_stride + 1;
    plan.tile_strides = smaller(divide_up(TILE_MULTIPLY_ADDS, work), plan.row_strides);
    while (plan.tile_strides > 1 &&
           g->images * g->groups * divide_up(plan.row_strides, plan.tile_strides) <
               ENOUGH_TILES)
        plan.tile_strides = divide_up(plan.tile_strides, 2);
    plan.blocks = divide_up(plan.row_strides, plan.tile_strides);

    plan.rows = reach_of(g->row_stride, g->row_pad, g->row_dilation, g->kernel_rows);
    plan.columns =
        reach_of(g->column_stride, g->column_pad, g->column_dilation, g->kernel_columns);
    plan.window_columns = divide_up(g->columns, g->column_stride) + plan.columns.highest -
                          plan.columns.lowest;
    int64_t window_rows = plan.tile_strides + plan.rows.highest - plan.rows.lowest;
    plan.group_floats = plan.panels * plan.taps * PANEL_WIDTH;
    plan.packed_floats = whole_lines(g->groups * plan.group_floats);
    plan.window_floats = whole_lines(window_rows * plan.window_columns * g->group_outputs);
    return plan;
}

/* Very few input channels: a panel is stored by columns, phase by phase. */
static bool is_narrow(const conv2d_geometry *g)
{
    return g->group_inputs <= PANEL_NARROW;
}

/* The rows of a panel that belong to one kernel element: [O/groups, pitch].  If narrow, the
 * columns of the phase are `length` apart. */
static void pack_element(const grad_x_plan *plan, int64_t group, int64_t panel, int64_t u,
                         int64_t v, float *to, int64_t length)
{
    const conv2d_geometry *g = &plan->g;
    int64_t width = panel_columns(g->group_inputs, panel), pitch = panel_pitch(width);
    int64_t step = g->kernel_rows * g->kernel_columns * g->group_inputs;
    const float *from = plan->weight + group * g->group_outputs * step +
                        (u * g->kernel_columns + v) * g->group_inputs + panel * PANEL_WIDTH;

    for (int64_t o = 0; is_narrow(g) && o < g->group_outputs; o++, from += step)
        for (int64_t i = 0; i < width; i++)
            to[i * length + o] = from[i];
    for (int64_t o = 0; !is_narrow(g) && o < g->group_outputs; o++, from += step, to += pitch) {
        memcpy(to, from, (size_t)width * sizeof(float));
        memset(to + width, 0, (size_t)(pitch - width) * sizeof(float));
    }
}

/* Floats of a panel for one sum over it: whole vectors, but if it is narrow. */
static int64_t panel_row(const grad_x_plan *plan, int64_t panel)
{
    int64_t width = panel_columns(plan->g.group_inputs, panel);
    return is_narrow(&plan->g) ? width : panel_pitch(width);
}

/* One tile packs one panel: its phases in order, each with its kernel rows and
 * columns from the last to the first. */
static void pack_tile(void *argument, int64_t tile, int worker)
{
    const grad_x_plan *plan = argument;
    const conv2d_geometry *g = &plan->g;
    int64_t panel = tile % plan->panels, group = tile / plan->panels;
    int64_t pitch = panel_row(plan, panel);
    float *to = plan->packed + group * plan->group_floats + panel * PANEL_WIDTH * plan->taps;

    (void)worker;
    for (int64_t row = 0; row < g->row_stride; row++)
        for (int64_t column = 0; column < g->column_stride; column++) {
            conv2d_phase rows = conv2d_row_phase(g, row);
            conv2d_phase columns = conv2d_column_phase(g, column);
            int64_t length = rows.taps * columns.taps * g->group_outputs;
            float *at = to;
            for (int64_t s = rows.taps - 1; s >= 0; s--)
                for (int64_t t = columns.taps - 1; t >= 0; t--) {
                    pack_element(plan, group, panel, rows.first + s * rows.step,
                                 columns.first + t * columns.step, at, length);
                    at += g->group_outputs * (is_narrow(g) ? 1 : pitch);
                }
            to += length * pitch;
        }
}

/* One panel of the input rows h = row, row + stride, ... of a block, all columns. */
typedef struct grad_x_strip {
    const grad_x_plan *plan;
    const float *window;
    int64_t image, group, first, last; /* strides of rows */
    int64_t panel;
} grad_x_strip;

static void strip_phase(const grad_x_strip *strip, int64_t row, int64_t column, const float *panel)
{
    static const float zeros[PANEL_WIDTH] = { 0 };
    const grad_x_plan *plan = strip->plan;
    const conv2d_geometry *g = &plan->g;
    conv2d_phase rows = conv2d_row_phase(g, row), columns = conv2d_column_phase(g, column);
    int64_t window_row = plan->window_columns * g->group_outputs;
    bool side_by_side = columns.back == 1; /* the columns' taps are one run */
    panel_product product = {
        .batch = 1,
        .rows = (g->columns - column + g->column_stride - 1) / g->column_stride,
        .outer = columns.taps > 0 ? rows.taps : 0, .middle = side_by_side ? 1 : columns.taps,
        .inner = (side_by_side ? columns.taps : 1) * g->group_outputs,
        .width = panel_columns(g->group_inputs, strip->panel),
        .a_row = g->group_outputs, .a_outer = rows.back * window_row,
        .a_middle = columns.back * g->group_outputs, .a_inner = 1, .panel = panel,
        .c_row = g->column_stride * g->inputs, .narrow = is_narrow(g),
    };

    if (column >= g->columns)
        return;
    for (int64_t j = strip->first; j < strip->last; j++) {
        int64_t h = j * g->row_stride + row;
        if (h >= g->rows)
            break;
        if (product.outer > 0)
            product.a = strip->window +
                        (rows.base - (rows.taps - 1) * rows.back - plan->rows.lowest + j -
                         strip->first) * window_row +
                        (columns.base - (columns.taps - 1) * columns.back -
                         plan->columns.lowest) * g->group_outputs;
        product.c = plan->grad_x +
                    ((strip->image * g->rows + h) * g->columns + column) * g->inputs +
                    strip->group * g->group_inputs + strip->panel * PANEL_WIDTH;
        product.start = plan->accumulate ? product.c : zeros;
        product.start_row = plan->accumulate ? product.c_row : 0;
        TERN_LEVEL(tern_panel_product)(&product);
    }
}

static void grad_x_tile(void *argument, int64_t tile, int worker)
{
    const grad_x_plan *plan = argument;
    const conv2d_geometry *g = &plan->g;
    float *copy = plan->windows + worker * plan->window_floats;
    int64_t block = tile / g->groups;
    grad_x_strip strip = { .plan = plan, .window = copy, .image = block / plan->blocks,
                           .group = tile % g->groups };
    strip.first = block % plan->blocks * plan->tile_strides;
    strip.last = smaller(strip.first + plan->tile_strides, plan->row_strides);

    image_window window = {
        .row = strip.first + plan->rows.lowest, .column = plan->columns.lowest,
        .rows = strip.last - strip.first + plan->rows.highest - plan->rows.lowest,
        .columns = plan->window_columns,
    };
    image_source grad_y = plan->grad_y;
    grad_y.first = strip.group * g->group_outputs;
    copy_window(copy, &grad_y, strip.image, &window);
    for (strip.panel = 0; strip.panel < plan->panels; strip.panel++) {
        const float *panel = plan->packed + strip.group * plan->group_floats +
                             strip.panel * PANEL_WIDTH * plan->taps;
        int64_t pitch = panel_row(plan, strip.panel);
        for (int64_t row = 0; row < g->row_stride; row++)
            for (int64_t column = 0; column < g->column_stride; column++) {
                int64_t row_taps = conv2d_row_phase(g, row).taps;
                int64_t column_taps = conv2d_column_phase(g, column).taps;
                strip_phase(&strip, row, column, panel);
                panel += row_taps * column_taps * g->group_outputs * pitch;
            }
    }
}

void TERN_LEVEL(tern_conv2d_grad_x)(tern_call *call, float *workspace)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    grad_x_plan plan = plan_grad_x(call);

    plan.weight = call->in[1]->data;
    plan.grad_y = gradient_source(call, &plan.g);
    plan.packed = workspace;
    plan.windows = workspace + plan.packed_floats;
    plan.grad_x = call->grad_in[0]->data;
    plan.accumulate = call->accumulate[0];
    if (plan.g.images == 0)
        return;
    tern_parallel(pool, plan.g.groups * plan.panels, pack_tile, &plan);
    tern_parallel(pool, plan.g.images * plan.blocks * plan.g.groups, grad_x_tile, &plan);
}

int64_t TERN_LEVEL(tern_conv2d_grad_x_floats)(const tern_call *call)
{
    grad_x_plan plan = plan_grad_x(call);
    return plan.packed_floats + tern_pool_threads(tern_ctx_pool(call->ctx)) * plan.window_floats;
}
