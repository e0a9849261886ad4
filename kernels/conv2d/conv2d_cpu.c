/* conv2d on cpu: a direct convolution, without unfolding the image.  Depthwise ones
 * have kernels of their own, conv2d_depthwise_cpu.c, and so have those of 3x3 with stride 1,
 * conv2d_winograd_cpu.c, if they have more than a few channels.
 *
 * In NHWC the kernel's row u at an output pixel sees kw*I contiguous floats, and
 * the next output pixel sees the same run stride*I floats further on:
 *
 *   padded input row  p+u  | 0 | pixel 0 | pixel 1 | pixel 2 | pixel 3 | ...
 *   output pixel 0          \______ kw*I ______/
 *   output pixel 1               \______ kw*I ______/
 *
 * So an output row is a matrix product whose left factor, [Wo, kh*kw*I], is read in
 * place through strides (panel_product.h); the weights are packed into panels of output
 * channels, [O/PANEL_WIDTH][kh*kw*I][PANEL_WIDTH], once a call or, in inference, once.  Only a zero
 * border, where there is one, costs a copy of the input rows that a tile needs; it
 * stays in the L2 cache.  A dilation cuts the run into one for each kernel column.
 *
 * Groups are convolutions beside each other; a tile copies its group's channels, so
 * that they lie together as if there were no others.
 *
 * A tile of work is (image, block of output rows, group, panel).  Its extent depends on
 * the shapes alone, so that the bits do not depend on the number of threads.
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/packing.h"
#include "core/threads.h"

enum {
    TILE_MULTIPLY_ADDS = 2000000, /* large against the cost of handing out a tile  */
    ENOUGH_TILES = 16,            /* smaller tiles, if there would be fewer than this */
    PACK_ROWS = 128,              /* panel rows packed by one tile                 */
    L1_FLOATS = 8192,             /* of a panel, beside the rows of x that it meets */
    HELD_STEP = 8                 /* integers of a cache line                      */
};

typedef struct forward_plan {
    conv2d_geometry g;
    int64_t taps;   /* kh*kw*I/groups, rows of a panel */
    int64_t panels; /* of a group                       */
    int64_t tile_rows, blocks;
    bool copied; /* the tile's input rows are copied, between zeros */
    int64_t window_columns;
    int64_t group_floats, packed_floats, window_floats;

    const float *weight, *bias;
    image_source x;
    float *packed, *windows; /* windows: one for each worker */
    int64_t *held;           /* what is in the window, HELD_STEP apart; -1: nothing */
    float *sums, *y;         /* sums: y, or what gelu saves  */
    tern_activation activation;
} forward_plan;

static forward_plan plan_forward(const tern_call *call)
{
    forward_plan plan = { .g = conv2d_geometry_of(call) };
    const conv2d_geometry *g = &plan.g;

    plan.taps = g->kernel_rows * g->kernel_columns * g->group_inputs;
    plan.panels = panel_count(g->group_outputs);
    int64_t row_work = g->out_columns * plan.taps * PANEL_WIDTH;
    plan.tile_rows = smaller(divide_up(TILE_MULTIPLY_ADDS, row_work), g->out_rows);
    while (plan.tile_rows > 1 && g->images * g->groups * plan.panels *
                                         divide_up(g->out_rows, plan.tile_rows) < ENOUGH_TILES)
        plan.tile_rows = divide_up(plan.tile_rows, 2);
    plan.blocks = divide_up(g->out_rows, plan.tile_rows);

    plan.copied = g->row_pad > 0 || g->column_pad > 0 || g->groups > 1;
    plan.window_columns = (g->out_columns - 1) * g->column_stride +
                          conv2d_span(g->kernel_columns, g->column_dilation);
    int64_t window_rows =
        (plan.tile_rows - 1) * g->row_stride + conv2d_span(g->kernel_rows, g->row_dilation);
    plan.group_floats = plan.panels * plan.taps * PANEL_WIDTH;
    plan.packed_floats = whole_lines(g->groups * plan.group_floats);
    plan.window_floats =
        plan.copied ? whole_lines(window_rows * plan.window_columns * g->group_inputs) : 0;
    return plan;
}

/* Some rows of a panel: weight [O/groups, taps] becomes [taps, pitch]. */
static void pack_tile(void *argument, int64_t tile, int worker)
{
    const forward_plan *plan = argument;
    int64_t panel = tile % plan->panels, group = tile / plan->panels % plan->g.groups;
    int64_t taps = plan->taps, first = tile / plan->panels / plan->g.groups * PACK_ROWS;
    int64_t width = panel_columns(plan->g.group_outputs, panel), pitch = panel_pitch(width);
    int64_t channel = group * plan->g.group_outputs + panel * PANEL_WIDTH;
    const float *weight = plan->weight + channel * taps + first;
    float *packed = plan->packed + group * plan->group_floats + panel * PANEL_WIDTH * taps +
                    first * pitch;

    (void)worker;
    for (int64_t j = 0; j < pitch; j += TERN_LANES)
        pack_vector(weight + j * taps, taps, width - j, smaller(PACK_ROWS, taps - first),
                    packed + j, pitch);
}

/* All panels: where inference keeps them, or in the call's workspace. */
static bool pack_weight(tern_call *call, forward_plan *plan)
{
    bool stale = true;
    plan->packed = call->workspace;
    if (tern_packing_is_kept(call, 1))
        plan->packed = tern_packing(call, 1, "conv2d panels",
                                    (size_t)plan->packed_floats * sizeof(float), &stale);
    if (plan->packed && stale)
        tern_parallel(tern_ctx_pool(call->ctx),
                      plan->g.groups * plan->panels * divide_up(plan->taps, PACK_ROWS), pack_tile,
                      plan);
    return plan->packed != NULL;
}

/* Floats of workspace before the windows. */
static int64_t packed_room(const tern_call *call, const forward_plan *plan)
{
    return tern_packing_is_kept(call, 1) ? 0 : plan->packed_floats;
}

static void activate(float *y, const float *sums, int64_t count, tern_activation activation)
{
    int64_t i = 0;
    for (; i + TERN_LANES <= count; i += TERN_LANES)
        tern_store(y + i, tern_vactivate(activation, tern_load(sums + i)));
    if (i < count)
        tern_store_part(y + i, tern_vactivate(activation, tern_load_part(sums + i, count - i)),
                        count - i);
}

/* The activation of `width` channels of one output row, while it is in cache. */
static void activate_row(const forward_plan *plan, int64_t at, int64_t width)
{
    const conv2d_geometry *g = &plan->g;
    if (plan->activation == TERN_ACT_NONE)
        return;
    if (width == g->outputs) {
        activate(plan->y + at, plan->sums + at, g->out_columns * width, plan->activation);
        return;
    }
    for (int64_t q = 0; q < g->out_columns; q++, at += g->outputs)
        activate(plan->y + at, plan->sums + at, width, plan->activation);
}

/* The input rows of output rows [first, last), in place or copied; returns the floats
 * from one row to the next. */
static int64_t tile_rows_of_x(const forward_plan *plan, int64_t image, int64_t group,
                              int64_t first, int64_t last, int worker, const float **rows)
{
    const conv2d_geometry *g = &plan->g;
    if (!plan->copied) {
        int64_t x_row = g->columns * g->inputs;
        *rows = plan->x.values + (image * g->rows + first * g->row_stride) * x_row;
        return x_row;
    }
    int64_t *held = plan->held + worker * HELD_STEP;
    int64_t wanted = (image * g->out_rows + first) * g->groups + group;
    image_window window = {
        .row = first * g->row_stride - g->row_pad, .column = -g->column_pad,
        .rows = (last - first - 1) * g->row_stride + conv2d_span(g->kernel_rows, g->row_dilation),
        .columns = plan->window_columns,
    };
    image_source x = plan->x;
    float *copy = plan->windows + worker * plan->window_floats;
    x.first = group * g->group_inputs;
    if (*held != wanted)
        copy_window(copy, &x, image, &window);
    *held = wanted;
    *rows = copy;
    return plan->window_columns * g->group_inputs;
}

/* A panel that does not stay in the L1 cache is taken one kernel row after the other, each for all
 * output rows of the tile. */
static void forward_tile(void *argument, int64_t tile, int worker)
{
    static const float no_bias[PANEL_WIDTH] = { 0 };
    const forward_plan *plan = argument;
    const conv2d_geometry *g = &plan->g;
    int64_t panel = tile % plan->panels, group = tile / plan->panels % g->groups;
    int64_t block = tile / plan->panels / g->groups, image = block / plan->blocks;
    int64_t first = block % plan->blocks * plan->tile_rows;
    int64_t last = smaller(first + plan->tile_rows, g->out_rows);
    int64_t channel = group * g->group_outputs + panel * PANEL_WIDTH, runs = kernel_runs(g);
    int64_t width = panel_columns(g->group_outputs, panel), pitch = panel_pitch(width);
    int64_t parts = plan->taps * pitch > L1_FLOATS ? g->kernel_rows : 1;
    panel_product product = {
        .batch = 1,
        .rows = g->out_columns, .width = width,
        .outer = g->kernel_rows / parts, .middle = runs,
        .inner = g->kernel_columns / runs * g->group_inputs,
        .a_row = g->column_stride * g->group_inputs,
        .a_middle = g->column_dilation * g->group_inputs, .a_inner = 1,
        .panel = plan->packed + group * plan->group_floats + panel * PANEL_WIDTH * plan->taps,
        .c_row = g->outputs,
    };
    const float *x;
    int64_t x_row = tile_rows_of_x(plan, image, group, first, last, worker, &x);

    product.a_outer = g->row_dilation * x_row;
    for (int64_t part = 0; part < parts; part++) {
        for (int64_t p = first; p < last; p++) {
            int64_t at = (image * g->out_rows + p) * g->out_columns * g->outputs + channel;
            product.a = x + ((p - first) * g->row_stride + part * g->row_dilation) * x_row;
            product.c = plan->sums + at;
            product.start = part > 0 ? product.c : plan->bias ? plan->bias + channel : no_bias;
            product.start_row = part > 0 ? product.c_row : 0;
            TERN_LEVEL(tern_panel_product)(&product);
            if (part == parts - 1)
                activate_row(plan, at, width);
        }
        product.panel += product.outer * product.middle * product.inner * pitch;
    }
}

static void dense_forward(tern_call *call)
{
    const tern_conv2d_opts *opts = call->options;
    tern_pool *pool = tern_ctx_pool(call->ctx);
    forward_plan plan = plan_forward(call);
    const conv2d_geometry *g = &plan.g;
    const int64_t threads = tern_pool_threads(pool);

    plan.weight = call->in[1]->data;
    plan.bias = call->in[2] ? call->in[2]->data : NULL;
    plan.x = x_source(call, g);
    plan.held = (int64_t *)((float *)call->workspace + packed_room(call, &plan));
    plan.windows = (float *)(plan.held + threads * HELD_STEP);
    plan.y = call->out[0]->data;
    plan.sums = call->saved[0] ? call->saved[0]->data : plan.y;
    plan.activation = (tern_activation)opts->activation;
    if (g->images == 0 || !pack_weight(call, &plan))
        return;
    for (int64_t worker = 0; worker < threads; worker++)
        plan.held[worker * HELD_STEP] = -1;
    tern_parallel(pool, g->images * plan.blocks * g->groups * plan.panels, forward_tile, &plan);
}

static void conv2d_forward(tern_call *call)
{
    if (is_depthwise(call))
        TERN_LEVEL(tern_conv2d_depthwise)(call);
    else if (TERN_LEVEL(tern_conv2d_is_winograd)(call))
        TERN_LEVEL(tern_conv2d_winograd)(call);
    else
        dense_forward(call);
}

static size_t forward_workspace(const tern_call *call)
{
    int64_t floats;
    if (is_depthwise(call)) {
        floats = TERN_LEVEL(tern_conv2d_depthwise_floats)(call);
    } else if (TERN_LEVEL(tern_conv2d_is_winograd)(call)) {
        floats = TERN_LEVEL(tern_conv2d_winograd_floats)(call);
    } else {
        forward_plan plan = plan_forward(call);
        int64_t threads = tern_pool_threads(tern_ctx_pool(call->ctx));
        floats = packed_room(call, &plan) + threads * (2 * HELD_STEP + plan.window_floats);
    }
    return (size_t)floats * sizeof(float);
}

/* The contract's, but by Winograd's convolution. */
static double executed_flops(const tern_call *call, bool in_backward)
{
    tern_cost forward, backward;
    tern_conv2d_cost(call, &forward, &backward);
    if (!in_backward)
        return TERN_LEVEL(tern_conv2d_is_winograd)(call)
                   ? TERN_LEVEL(tern_conv2d_winograd_flops)(call)
                   : forward.flops;
    if (call->grad_in[0] && TERN_LEVEL(tern_conv2d_grad_x_is_winograd)(call))
        backward.flops += TERN_LEVEL(tern_conv2d_winograd_grad_x_flops)(call) - forward.flops;
    if (TERN_LEVEL(tern_conv2d_grad_weight_is_winograd)(call))
        backward.flops += TERN_LEVEL(tern_conv2d_winograd_grad_weight_flops)(call) - forward.flops;
    return backward.flops;
}

static uint32_t packs(const tern_call *call)
{
    return is_depthwise(call) ? 0 : 1u << 1;
}

static void conv2d_backward(tern_call *call)
{
    if (is_depthwise(call)) {
        TERN_LEVEL(tern_conv2d_depthwise_backward)(call);
        return;
    }
    if (call->grad_in[0] && TERN_LEVEL(tern_conv2d_grad_x_is_winograd)(call))
        TERN_LEVEL(tern_conv2d_winograd_grad_x)(call, call->workspace);
    else if (call->grad_in[0])
        TERN_LEVEL(tern_conv2d_grad_x)(call, call->workspace);
    if (TERN_LEVEL(tern_conv2d_grad_weight_is_winograd)(call))
        TERN_LEVEL(tern_conv2d_winograd_grad_weight)(call, call->workspace);
    else if (call->grad_in[1] || call->grad_in[2])
        TERN_LEVEL(tern_conv2d_grad_weight)(call, call->workspace);
}

static size_t backward_workspace(const tern_call *call)
{
    int64_t floats = 0;
    if (is_depthwise(call))
        return (size_t)TERN_LEVEL(tern_conv2d_depthwise_backward_floats)(call) * sizeof(float);
    if (call->grad_in[0] && TERN_LEVEL(tern_conv2d_grad_x_is_winograd)(call))
        floats = TERN_LEVEL(tern_conv2d_winograd_grad_x_floats)(call);
    else if (call->grad_in[0])
        floats = TERN_LEVEL(tern_conv2d_grad_x_floats)(call);
    if (TERN_LEVEL(tern_conv2d_grad_weight_is_winograd)(call))
        floats = larger(floats, TERN_LEVEL(tern_conv2d_winograd_grad_weight_floats)(call));
    else if (call->grad_in[1] || call->grad_in[2])
        floats = larger(floats, TERN_LEVEL(tern_conv2d_grad_weight_floats)(call));
    return (size_t)floats * sizeof(float);
}

const tern_impl TERN_LEVEL(tern_conv2d_cpu) = {
    .op = "conv2d", .backend = "cpu", .provider = "hand",
    .forward = conv2d_forward, .backward = conv2d_backward,
    .restore = TERN_LEVEL(tern_activation_restore),
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
    .packs = packs, .executed_flops = executed_flops,
};

const tern_impl TERN_LEVEL(tern_conv1d_cpu) = {
    .op = "conv1d", .backend = "cpu", .provider = "hand",
    .forward = conv2d_forward, .backward = conv2d_backward,
    .restore = TERN_LEVEL(tern_activation_restore),
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
    .packs = packs, .executed_flops = executed_flops,
};
