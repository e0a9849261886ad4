/* conv2d on cpu: the gradient of x, as a convolution of the output's gradient.
 *
 * Input row h is read by output row p under kernel row u when h + pad = p*stride + u.
 * So the kernel rows that touch h are those with u = (h + pad) mod stride, and with
 * every further one the output row goes back by one:
 *
 *      u = rest + stride*t,  p = base - t      rest = (h + pad) mod stride
 *                                              base = (h + pad) div stride
 *
 * Rows h of one phase (h mod stride) share their kernel rows, and as h goes on by a
 * stride, base goes on by one: each phase is a convolution of stride 1 with a part of
 * the kernel, flipped.  Columns are the same.  With a stride of 2 there are 2 x 2
 * phases, and no multiplication with inserted zeros.
 *
 * A tile of work is (image, block of strides of input rows); it copies the rows of
 * the output's gradient it needs between zeros, multiplied by the activation's slope.
 * The weights are packed with input channels as panel columns,
 *
 *      [I/PANEL_WIDTH][row phase][column phase][t flipped][t flipped][O][PANEL_WIDTH]
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/threads.h"

enum { TILE_MULTIPLY_ADDS = 4000000, ENOUGH_TILES = 16 };

/* One phase of one axis. */
typedef struct phase {
    int64_t rest, taps; /* kernel elements rest, rest + stride, ...         */
    int64_t base;       /* output index over the first input of this phase  */
} phase;

static phase phase_of(int64_t index, int64_t stride, int64_t pad, int64_t kernel)
{
    phase result = { .rest = (index + pad) % stride, .base = (index + pad) / stride };
    result.taps = result.rest < kernel ? (kernel - 1 - result.rest) / stride + 1 : 0;
    return result;
}

/* Output indices that the inputs of all phases in [0, stride) can need: from
 * `lowest` to `highest`, and so many more for each further stride of inputs. */
static void phase_reach(int64_t stride, int64_t pad, int64_t kernel, int64_t *lowest,
                        int64_t *highest)
{
    *highest = (stride - 1 + pad) / stride;
    *lowest = *highest;
    for (int64_t index = 0; index < stride; index++) {
        phase p = phase_of(index, stride, pad, kernel);
        *lowest = smaller(*lowest, p.taps > 0 ? p.base - p.taps + 1 : p.base);
    }
}

typedef struct grad_x_plan {
    conv2d_geometry g;
    int64_t taps, panels;              /* kh*kw*O rows of a panel, over all phases */
    int64_t row_strides, tile_strides, blocks;
    int64_t lowest_row, highest_row, lowest_column;
    int64_t window_columns;
    int64_t packed_floats, window_floats;

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
    int64_t highest_column;

    plan.taps = g->kernel_rows * g->kernel_columns * g->outputs;
    plan.panels = panel_count(g->inputs);
    plan.row_strides = divide_up(g->rows, g->row_stride);
    int64_t work = g->columns * plan.taps * plan.panels * PANEL_WIDTH / g->column_stride + 1;
    plan.tile_strides = smaller(divide_up(TILE_MULTIPLY_ADDS, work), plan.row_strides);
    while (plan.tile_strides > 1 &&
           g->images * divide_up(plan.row_strides, plan.tile_strides) < ENOUGH_TILES)
        plan.tile_strides = divide_up(plan.tile_strides, 2);
    plan.blocks = divide_up(plan.row_strides, plan.tile_strides);

    phase_reach(g->row_stride, g->row_pad, g->kernel_rows, &plan.lowest_row, &plan.highest_row);
    phase_reach(g->column_stride, g->column_pad, g->kernel_columns, &plan.lowest_column,
                &highest_column);
    plan.window_columns =
        divide_up(g->columns, g->column_stride) + highest_column - plan.lowest_column;
    int64_t window_rows = plan.tile_strides + plan.highest_row - plan.lowest_row;
    plan.packed_floats = whole_lines(plan.panels * plan.taps * PANEL_WIDTH);
    plan.window_floats = whole_lines(window_rows * plan.window_columns * g->outputs);
    return plan;
}

/* The rows of a panel that belong to one kernel element: [O, pitch]. */
static void pack_element(const grad_x_plan *plan, int64_t panel, int64_t u, int64_t v, float *to)
{
    const conv2d_geometry *g = &plan->g;
    int64_t width = panel_columns(g->inputs, panel), pitch = panel_pitch(width);
    int64_t step = g->kernel_rows * g->kernel_columns * g->inputs;
    const float *from =
        plan->weight + (u * g->kernel_columns + v) * g->inputs + panel * PANEL_WIDTH;

    for (int64_t o = 0; o < g->outputs; o++, from += step, to += pitch) {
        memcpy(to, from, (size_t)width * sizeof(float));
        memset(to + width, 0, (size_t)(pitch - width) * sizeof(float));
    }
}

/* One tile packs one panel: its phases in order, each with its kernel rows and
 * columns from the last to the first. */
static void pack_tile(void *argument, int64_t panel, int worker)
{
    const grad_x_plan *plan = argument;
    const conv2d_geometry *g = &plan->g;
    int64_t pitch = panel_pitch(panel_columns(g->inputs, panel));
    float *to = plan->packed + panel * PANEL_WIDTH * plan->taps;

    (void)worker;
    for (int64_t row = 0; row < g->row_stride; row++)
        for (int64_t column = 0; column < g->column_stride; column++) {
            phase rows = phase_of(row, g->row_stride, g->row_pad, g->kernel_rows);
            phase columns = phase_of(column, g->column_stride, g->column_pad, g->kernel_columns);
            for (int64_t s = rows.taps - 1; s >= 0; s--)
                for (int64_t t = columns.taps - 1; t >= 0; t--) {
                    pack_element(plan, panel, rows.rest + s * g->row_stride,
                                 columns.rest + t * g->column_stride, to);
                    to += g->outputs * pitch;
                }
        }
}

/* One panel of the input rows h = row, row + stride, ... of a block, all columns. */
typedef struct grad_x_strip {
    const grad_x_plan *plan;
    const float *window;
    int64_t image, first, last; /* strides of rows */
    int64_t panel;
} grad_x_strip;

static void strip_phase(const grad_x_strip *strip, int64_t row, int64_t column, const float *panel)
{
    static const float zeros[PANEL_WIDTH] = { 0 };
    const grad_x_plan *plan = strip->plan;
    const conv2d_geometry *g = &plan->g;
    phase rows = phase_of(row, g->row_stride, g->row_pad, g->kernel_rows);
    phase columns = phase_of(column, g->column_stride, g->column_pad, g->kernel_columns);
    int64_t window_row = plan->window_columns * g->outputs;
    panel_product product = {
        .rows = (g->columns - column + g->column_stride - 1) / g->column_stride,
        .outer = columns.taps > 0 ? rows.taps : 0, .inner = columns.taps * g->outputs,
        .width = panel_columns(g->inputs, strip->panel),
        .a_row = g->outputs, .a_outer = window_row, .a_inner = 1, .panel = panel,
        .c_row = g->column_stride * g->inputs,
    };

    if (column >= g->columns)
        return;
    for (int64_t j = strip->first; j < strip->last; j++) {
        int64_t h = j * g->row_stride + row;
        if (h >= g->rows)
            break;
        if (product.outer > 0)
            product.a = strip->window +
                        (rows.base - rows.taps + 1 - plan->lowest_row + j - strip->first) *
                            window_row +
                        (columns.base - columns.taps + 1 - plan->lowest_column) * g->outputs;
        product.c = plan->grad_x +
                    ((strip->image * g->rows + h) * g->columns + column) * g->inputs +
                    strip->panel * PANEL_WIDTH;
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
    grad_x_strip strip = { .plan = plan, .window = copy, .image = tile / plan->blocks };
    strip.first = tile % plan->blocks * plan->tile_strides;
    strip.last = smaller(strip.first + plan->tile_strides, plan->row_strides);

    image_window window = {
        .row = strip.first + plan->lowest_row, .column = plan->lowest_column,
        .rows = strip.last - strip.first + plan->highest_row - plan->lowest_row,
        .columns = plan->window_columns,
    };
    copy_window(copy, &plan->grad_y, strip.image, &window);
    for (strip.panel = 0; strip.panel < plan->panels; strip.panel++) {
        const float *panel = plan->packed + strip.panel * PANEL_WIDTH * plan->taps;
        int64_t pitch = panel_pitch(panel_columns(g->inputs, strip.panel));
        for (int64_t row = 0; row < g->row_stride; row++)
            for (int64_t column = 0; column < g->column_stride; column++) {
                phase rows = phase_of(row, g->row_stride, g->row_pad, g->kernel_rows);
                phase columns =
                    phase_of(column, g->column_stride, g->column_pad, g->kernel_columns);
                strip_phase(&strip, row, column, panel);
                panel += rows.taps * columns.taps * g->outputs * pitch;
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
    tern_parallel(pool, plan.panels, pack_tile, &plan);
    tern_parallel(pool, plan.g.images * plan.blocks, grad_x_tile, &plan);
}

int64_t TERN_LEVEL(tern_conv2d_grad_x_floats)(const tern_call *call)
{
    grad_x_plan plan = plan_grad_x(call);
    return plan.packed_floats + tern_pool_threads(tern_ctx_pool(call->ctx)) * plan.window_floats;
}
