/* conv2d on cpu: the gradients of weight and bias, sums over all output pixels; see
 * conv2d_cpu.c for groups and dilation.
 *
 *   grad_weight[o,u, (v,i)] = sum_pixels grad[pixel,o] * x_run(pixel,u)[(v,i)]
 *
 * where x_run is the contiguous run of kw*I floats under kernel row u, or one run of I
 * for each kernel column if they are dilated.  The run's
 * elements are the rows of the panel product, the output channels its columns, the
 * pixels of a few output rows its sum: a block of the weights' gradient stays in
 * registers over all pixels of the strip.
 *
 *   strip = one image's block of output rows, small enough to stay in cache:
 *      window  [rows under the strip, columns, I]  x between zeros
 *      panel   [rows*Wo, PANEL_WIDTH]              the gradient of PANEL_WIDTH channels
 *
 * A tile of work is (chunk of strips, group, panel) and owns a partial sum.  The number of
 * chunks depends on the shapes alone, and the partial sums are added in their order,
 * so the bits do not depend on the number of threads.
 */
#include "kernels/conv2d/conv2d_cpu.h"

#include "core/threads.h"
#include "core/transpose.h"

enum {
    STRIP_PIXELS = 192, /* enough to pay for loading and storing a block of sums  */
    ENOUGH_TILES = 16,
    SUM_ROWS = 64      /* panel rows whose chunks one tile adds up, whole vectors */
};

typedef struct grad_weight_plan {
    conv2d_geometry g;
    int64_t taps, panels; /* kh*kw*I/groups rows of a panel; panels of a group */
    int64_t all_panels;   /* groups * panels                                   */
    int64_t strip_rows, blocks, strips, chunks;
    bool copied;
    int64_t window_columns;
    int64_t partial_floats, window_floats, panel_floats; /* of a chunk; of a worker */

    image_source x, grad_y;
    float *partials;                 /* [chunks][all_panels][taps, PANEL_WIDTH] */
    float *bias_partials;            /* [chunks][all_panels][PANEL_WIDTH]       */
    float *windows, *gradients;      /* one for each worker */
    float *grad_weight, *grad_bias;
    bool accumulate_weight, accumulate_bias;
} grad_weight_plan;

static grad_weight_plan plan_grad_weight(const tern_call *call)
{
    grad_weight_plan plan = { .g = conv2d_geometry_of(call) };
    const conv2d_geometry *g = &plan.g;

    plan.taps = g->kernel_rows * g->kernel_columns * g->group_inputs;
    plan.panels = panel_count(g->group_outputs);
    plan.all_panels = g->groups * plan.panels;
    plan.strip_rows = smaller(divide_up(STRIP_PIXELS, g->out_columns), g->out_rows);
    plan.blocks = divide_up(g->out_rows, plan.strip_rows);
    plan.strips = g->images * plan.blocks;
    plan.chunks = larger(smaller(divide_up(ENOUGH_TILES, plan.all_panels), plan.strips), 1);

    plan.copied = g->row_pad > 0 || g->column_pad > 0 || g->groups > 1;
    plan.window_columns = (g->out_columns - 1) * g->column_stride +
                          conv2d_span(g->kernel_columns, g->column_dilation);
    int64_t window_rows =
        (plan.strip_rows - 1) * g->row_stride + conv2d_span(g->kernel_rows, g->row_dilation);
    plan.partial_floats = plan.all_panels * plan.taps * PANEL_WIDTH;
    plan.window_floats =
        plan.copied ? whole_lines(window_rows * plan.window_columns * g->group_inputs) : 0;
    plan.panel_floats = whole_lines(plan.strip_rows * g->out_columns * PANEL_WIDTH);
    return plan;
}

/* The gradient before the activation of a vector of channels, to[pixel * pitch], and
 * its sum over the pixels. */
static tern_vf read_channels(const grad_weight_plan *plan, int64_t at, int64_t pixels,
                             int64_t channels, float *to, int64_t pitch)
{
    const image_source *source = &plan->grad_y;
    tern_vf sum = { 0 };
    for (int64_t pixel = 0; pixel < pixels; pixel++, at += source->channels, to += pitch) {
        tern_vf value = source->activation != TERN_ACT_NONE ? read_vector(source, at, channels)
                        : channels == TERN_LANES            ? tern_load(source->values + at)
                                                 : tern_load_part(source->values + at, channels);
        tern_store(to, value);
        sum += value;
    }
    return sum;
}

/* The gradient of one panel's channels, [pixels, pitch], and its sum added to bias. */
static void read_gradient(const grad_weight_plan *plan, int64_t first_pixel, int64_t pixels,
                          int64_t group, int64_t panel, float *to, float *bias)
{
    int64_t width = panel_columns(plan->g.group_outputs, panel), pitch = panel_pitch(width);
    int64_t at = first_pixel * plan->g.outputs + group * plan->g.group_outputs +
                 panel * PANEL_WIDTH;
    for (int64_t j = 0; j < pitch; j += TERN_LANES) {
        tern_vf sum = read_channels(plan, at + j, pixels, smaller(width - j, TERN_LANES), to + j,
                                    pitch);
        tern_store(bias + j, tern_load(bias + j) + sum);
    }
}

/* The rows of x under a strip, in place or copied; returns the floats from one to the
 * next. */
static int64_t strip_rows_of_x(const grad_weight_plan *plan, int64_t image, int64_t group,
                               int64_t first, int64_t rows, int worker, const float **x_rows)
{
    const conv2d_geometry *g = &plan->g;
    if (!plan->copied) {
        int64_t x_row = g->columns * g->inputs;
        *x_rows = plan->x.values + (image * g->rows + first * g->row_stride) * x_row;
        return x_row;
    }
    image_window window = {
        .row = first * g->row_stride - g->row_pad, .column = -g->column_pad,
        .rows = (rows - 1) * g->row_stride + conv2d_span(g->kernel_rows, g->row_dilation),
        .columns = plan->window_columns,
    };
    image_source x = plan->x;
    float *copy = plan->windows + worker * plan->window_floats;
    x.first = group * g->group_inputs;
    copy_window(copy, &x, image, &window);
    *x_rows = copy;
    return plan->window_columns * g->group_inputs;
}

/* Add one strip's share to a tile's partial sums. */
static void add_strip(const grad_weight_plan *plan, int64_t strip, int64_t group, int64_t panel,
                      int worker, float *partial, float *bias)
{
    const conv2d_geometry *g = &plan->g;
    int64_t image = strip / plan->blocks, first = strip % plan->blocks * plan->strip_rows;
    int64_t rows = smaller(plan->strip_rows, g->out_rows - first), runs = kernel_runs(g);
    int64_t pitch = panel_pitch(panel_columns(g->group_outputs, panel));
    float *gradient = plan->gradients + worker * plan->panel_floats;
    const float *x_rows;
    int64_t x_row = strip_rows_of_x(plan, image, group, first, rows, worker, &x_rows);
    panel_product product = {
        .batch = 1,
        .rows = g->kernel_columns / runs * g->group_inputs, .outer = rows, .middle = 1,
        .inner = g->out_columns, .width = pitch, .a_row = 1, .a_outer = g->row_stride * x_row,
        .a_inner = g->column_stride * g->group_inputs, .panel = gradient,
        .start_row = pitch, .c = partial, .c_row = pitch,
    };

    read_gradient(plan, (image * g->out_rows + first) * g->out_columns, rows * g->out_columns,
                  group, panel, gradient, bias);
    for (int64_t u = 0; u < g->kernel_rows; u++, x_rows += g->row_dilation * x_row)
        for (int64_t run = 0; run < runs; run++) {
            product.a = x_rows + run * g->column_dilation * g->group_inputs;
            product.start = product.c;
            TERN_LEVEL(tern_panel_product)(&product);
            product.c += product.rows * pitch;
        }
}

static void chunk_tile(void *argument, int64_t tile, int worker)
{
    const grad_weight_plan *plan = argument;
    int64_t number = tile % plan->all_panels, chunk = tile / plan->all_panels;
    int64_t panel = number % plan->panels, group = number / plan->panels;
    int64_t first = plan->strips * chunk / plan->chunks;
    int64_t last = plan->strips * (chunk + 1) / plan->chunks;
    int64_t pitch = panel_pitch(panel_columns(plan->g.group_outputs, panel));
    float *partial =
        plan->partials + chunk * plan->partial_floats + number * PANEL_WIDTH * plan->taps;
    float *bias = plan->bias_partials + tile * PANEL_WIDTH;

    memset(partial, 0, (size_t)(plan->taps * pitch) * sizeof(float));
    memset(bias, 0, (size_t)pitch * sizeof(float));
    for (int64_t strip = first; strip < last; strip++)
        add_strip(plan, strip, group, panel, worker, partial, bias);
}

/* A square of sums, [TERN_LANES taps, TERN_LANES channels], to where weights lie. */
static void store_square(const grad_weight_plan *plan, const float *sum, int64_t taps,
                         int64_t channels, float *grad)
{
    float square[TERN_LANES * TERN_LANES];
    tern_transpose_square(sum, PANEL_WIDTH, square, TERN_LANES);
    for (int64_t j = 0; j < channels; j++, grad += plan->taps)
        for (int64_t t = 0; t < taps; t++) {
            float value = square[j * TERN_LANES + t];
            grad[t] = plan->accumulate_weight ? grad[t] + value : value;
        }
}

/* Add the chunks' partial sums of SUM_ROWS rows of a panel. */
static void sum_tile(void *argument, int64_t tile, int worker)
{
    const grad_weight_plan *plan = argument;
    int64_t number = tile % plan->all_panels, first = tile / plan->all_panels * SUM_ROWS;
    int64_t panel = number % plan->panels, group = number / plan->panels;
    int64_t rows = smaller(SUM_ROWS, plan->taps - first);
    int64_t width = panel_columns(plan->g.group_outputs, panel), pitch = panel_pitch(width);
    int64_t channel = group * plan->g.group_outputs + panel * PANEL_WIDTH;
    const float *partial =
        plan->partials + number * PANEL_WIDTH * plan->taps + first * pitch;
    float *grad = plan->grad_weight + channel * plan->taps + first;
    float sum[SUM_ROWS * PANEL_WIDTH] = { 0 };

    (void)worker;
    for (int64_t chunk = 0; chunk < plan->chunks; chunk++, partial += plan->partial_floats)
        for (int64_t t = 0; t < rows; t++)
            for (int64_t j = 0; j < pitch; j++)
                sum[t * PANEL_WIDTH + j] += partial[t * pitch + j];
    for (int64_t t = 0; t < rows; t += TERN_LANES)
        for (int64_t j = 0; j < width; j += TERN_LANES)
            store_square(plan, sum + t * PANEL_WIDTH + j, smaller(TERN_LANES, rows - t),
                         smaller(TERN_LANES, width - j), grad + j * plan->taps + t);
}

static void sum_bias(const grad_weight_plan *plan)
{
    int64_t group_outputs = plan->g.group_outputs;
    for (int64_t o = 0; o < plan->g.outputs; o++) {
        const float *partial = plan->bias_partials + o % group_outputs +
                               o / group_outputs * plan->panels * PANEL_WIDTH;
        float sum = *partial;
        for (int64_t chunk = 1; chunk < plan->chunks; chunk++)
            sum += partial[chunk * plan->all_panels * PANEL_WIDTH];
        plan->grad_bias[o] = plan->accumulate_bias ? plan->grad_bias[o] + sum : sum;
    }
}

void TERN_LEVEL(tern_conv2d_grad_weight)(tern_call *call, float *workspace)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    grad_weight_plan plan = plan_grad_weight(call);
    const conv2d_geometry *g = &plan.g;
    int threads = tern_pool_threads(pool);

    plan.x = x_source(call, g);
    plan.grad_y = gradient_source(call, g);
    plan.partials = workspace;
    plan.bias_partials = plan.partials + plan.chunks * plan.partial_floats;
    plan.windows = plan.bias_partials + plan.chunks * plan.all_panels * PANEL_WIDTH;
    plan.gradients = plan.windows + threads * plan.window_floats;
    tern_parallel(pool, plan.chunks * plan.all_panels, chunk_tile, &plan);
    if (call->grad_in[1]) {
        plan.grad_weight = call->grad_in[1]->data;
        plan.accumulate_weight = call->accumulate[1];
        tern_parallel(pool, plan.all_panels * divide_up(plan.taps, SUM_ROWS), sum_tile, &plan);
    }
    if (call->grad_in[2]) {
        plan.grad_bias = call->grad_in[2]->data;
        plan.accumulate_bias = call->accumulate[2];
        sum_bias(&plan);
    }
}

int64_t TERN_LEVEL(tern_conv2d_grad_weight_floats)(const tern_call *call)
{
    grad_weight_plan plan = plan_grad_weight(call);
    int64_t threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    return plan.chunks * (plan.partial_floats + plan.all_panels * PANEL_WIDTH) +
           threads * (plan.window_floats + plan.panel_floats);
}
