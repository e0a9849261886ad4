/* layer_norm on cpu: tiles of rows in vectors; a row is read from memory once and
 * from cache after that.  add_layer_norm goes the same way, with a residual.
 *
 * The gradients of gain and bias are sums over rows.  Backward cuts the rows into
 * blocks whose size depends on the shape alone:
 *
 *   block 0   rows 0 ..       -> partial[0] = { gain sums [D], bias sums [D] }
 *   block 1   rows ..         -> partial[1]
 *   ...
 * and then adds the blocks up in their order, so that the number of threads does
 * not touch the bits. */
#include "kernels/layer_norm/layer_norm_cpu.h"

#include "core/simd.h"

#include <math.h>

enum {
    TILE_ELEMENTS = 8192,
    BLOCK_ROWS = 32, /* at least, so that partial sums are few against the rows */
    MERGE_COLUMNS = 256
};

static void cut_rows(layer_norm_task *task, const tern_tensor *x, int64_t least_rows)
{
    task->width = tern_dim(x, -1);
    task->rows = tern_tiles_of_rows(tern_extent(x, 0, x->rank - 1), task->width, TILE_ELEMENTS,
                                    least_rows);
}

/* -------------------------------------------------------------- forward -- */

/* sum = x + residual, row r, which is then what is normalised. */
static const float *add_row(const layer_norm_task *task, int64_t r)
{
    const float *x = task->x + r * task->width, *residual = task->residual + r * task->width;
    float *sum = task->sum + r * task->width;
    for (int64_t d = 0; d < task->width; d += TERN_LANES) {
        int64_t n = task->width - d;
        tern_store_part(sum + d, tern_load_part(x + d, n) + tern_load_part(residual + d, n), n);
    }
    return sum;
}

static void forward_row(const layer_norm_task *task, int64_t r)
{
    const float *x = task->residual ? add_row(task, r) : task->x + r * task->width;
    float *y = task->y + r * task->width;
    int64_t width = task->width;
    tern_vf sum = { 0 }, squares = { 0 };

    for (int64_t d = 0; d < width; d += TERN_LANES)
        sum += tern_load_part_or(x + d, width - d, 0);
    float mean = tern_hsum(sum) / (float)width;
    for (int64_t d = 0; d < width; d += TERN_LANES) {
        tern_vf difference = tern_load_part_or(x + d, width - d, mean) - mean;
        squares += difference * difference;
    }
    float rstd = (float)(1 / sqrt((double)tern_hsum(squares) / (double)width + task->eps));
    for (int64_t d = 0; d < width; d += TERN_LANES) {
        int64_t n = width - d;
        tern_vf value = (tern_load_part_or(x + d, n, mean) - mean) * rstd;
        if (task->gain)
            value *= tern_load_part_or(task->gain + d, n, 0);
        if (task->bias)
            value += tern_load_part_or(task->bias + d, n, 0);
        tern_store_part(y + d, value, n);
    }
    if (task->mean) {
        task->mean[r] = mean;
        task->rstd[r] = rstd;
    }
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const layer_norm_task *task = argument;
    int64_t end = tern_tile_end(&task->rows, tile);
    (void)worker;
    for (int64_t r = tern_tile_begin(&task->rows, tile); r < end; r++)
        forward_row(task, r);
}

void TERN_LEVEL(tern_layer_norm_forward)(const tern_call *call, layer_norm_task *task)
{
    cut_rows(task, call->in[0], 1);
    tern_parallel(tern_ctx_pool(call->ctx), task->rows.count, forward_tile, task);
}

static void layer_norm_forward(tern_call *call)
{
    const tern_layer_norm_opts *opts = call->options;
    layer_norm_task task = { .x = call->in[0]->data, .y = call->out[0]->data, .eps = opts->eps,
                             .gain = call->in[1] ? call->in[1]->data : NULL,
                             .bias = call->in[2] ? call->in[2]->data : NULL,
                             .mean = call->saved[0] ? call->saved[0]->data : NULL,
                             .rstd = call->saved[1] ? call->saved[1]->data : NULL };
    TERN_LEVEL(tern_layer_norm_forward)(call, &task);
}

/* ------------------------------------------------------------- backward -- */

/* With n = (x - mean) * rstd and g = dy * gain:
 *   dx = rstd * (g - mean(g) - n * mean(g * n))   and what comes back to the sum
 * Lanes beyond the row have g = 0, so they add nothing to the means. */
static void backward_x_row(const layer_norm_task *task, int64_t r)
{
    const float *x = task->x + r * task->width, *grad_y = task->grad_y + r * task->width;
    int64_t first = r * task->width;
    float mean = task->mean[r], rstd = task->rstd[r];
    int64_t width = task->width;
    tern_vf sum_g = { 0 }, sum_gn = { 0 };

    for (int64_t d = 0; d < width; d += TERN_LANES) {
        int64_t n = width - d;
        tern_vf g = tern_load_part_or(grad_y + d, n, 0);
        if (task->gain)
            g *= tern_load_part_or(task->gain + d, n, 0);
        sum_g += g;
        sum_gn += g * ((tern_load_part_or(x + d, n, mean) - mean) * rstd);
    }
    float mean_g = tern_hsum(sum_g) / (float)width, mean_gn = tern_hsum(sum_gn) / (float)width;
    for (int64_t d = 0; d < width; d += TERN_LANES) {
        int64_t n = width - d;
        tern_vf g = tern_load_part_or(grad_y + d, n, 0);
        if (task->gain)
            g *= tern_load_part_or(task->gain + d, n, 0);
        tern_vf normal = (tern_load_part_or(x + d, n, mean) - mean) * rstd;
        tern_vf value = rstd * (g - mean_g - normal * mean_gn);
        if (task->grad_sum)
            value += tern_load_part(task->grad_sum + first + d, n);
        if (task->grad_x)
            tern_store_grad(task->grad_x + first + d, value, n, task->accumulate_x);
        if (task->grad_residual)
            tern_store_grad(task->grad_residual + first + d, value, n, task->accumulate_residual);
    }
}

static void add_to_partial(const layer_norm_task *task, int64_t r, float *restrict gain,
                           float *restrict bias)
{
    const float *restrict x = task->x + r * task->width;
    const float *restrict grad_y = task->grad_y + r * task->width;
    float mean = task->mean[r], rstd = task->rstd[r];

    for (int64_t d = 0; d < task->width; d++) {
        gain[d] += grad_y[d] * ((x[d] - mean) * rstd);
        bias[d] += grad_y[d];
    }
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const layer_norm_task *task = argument;
    float *gain = task->partial ? task->partial + 2 * task->width * tile : NULL;
    int64_t end = tern_tile_end(&task->rows, tile);
    (void)worker;

    if (gain)
        memset(gain, 0, (size_t)(2 * task->width) * sizeof *gain);
    for (int64_t r = tern_tile_begin(&task->rows, tile); r < end; r++) {
        if (task->grad_x || task->grad_residual)
            backward_x_row(task, r);
        if (gain)
            add_to_partial(task, r, gain, gain + task->width);
    }
}

/* grad (+)= sum over blocks of partial[block][0..columns) */
static void merge(const layer_norm_task *task, const float *partial, float *restrict grad,
                  bool accumulate, int64_t columns)
{
    if (!accumulate)
        memset(grad, 0, (size_t)columns * sizeof *grad);
    for (int64_t block = 0; block < task->rows.count; block++) {
        const float *restrict sums = partial + 2 * task->width * block;
        for (int64_t d = 0; d < columns; d++)
            grad[d] += sums[d];
    }
}

static void merge_tile(void *argument, int64_t tile, int worker)
{
    const layer_norm_task *task = argument;
    int64_t first = tile * MERGE_COLUMNS, left = task->width - first;
    int64_t columns = left < MERGE_COLUMNS ? left : MERGE_COLUMNS;
    (void)worker;

    if (task->grad_gain)
        merge(task, task->partial + first, task->grad_gain + first, task->accumulate_gain, columns);
    if (task->grad_bias)
        merge(task, task->partial + task->width + first, task->grad_bias + first,
              task->accumulate_bias, columns);
}

size_t TERN_LEVEL(tern_layer_norm_workspace)(const tern_tensor *x)
{
    layer_norm_task task = { 0 };
    cut_rows(&task, x, BLOCK_ROWS);
    return (size_t)(2 * task.width * task.rows.count) * sizeof(float);
}

void TERN_LEVEL(tern_layer_norm_backward)(const tern_call *call, layer_norm_task *task)
{
    bool sums = task->grad_gain || task->grad_bias;
    task->partial = sums ? call->workspace : NULL;
    cut_rows(task, call->in[0], BLOCK_ROWS);
    tern_parallel(tern_ctx_pool(call->ctx), task->rows.count, backward_tile, task);
    if (sums)
        tern_parallel(tern_ctx_pool(call->ctx), (task->width + MERGE_COLUMNS - 1) / MERGE_COLUMNS,
                      merge_tile, task);
}

static size_t backward_workspace(const tern_call *call)
{
    bool sums = call->grad_in[1] || call->grad_in[2];
    return sums ? TERN_LEVEL(tern_layer_norm_workspace)(call->in[0]) : 0;
}

static void layer_norm_backward(tern_call *call)
{
    layer_norm_task task = { .x = call->in[0]->data, .grad_y = call->grad_out[0]->data,
                             .gain = call->in[1] ? call->in[1]->data : NULL,
                             .mean = call->saved[0]->data, .rstd = call->saved[1]->data,
                             .grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL,
                             .grad_gain = call->grad_in[1] ? call->grad_in[1]->data : NULL,
                             .grad_bias = call->grad_in[2] ? call->grad_in[2]->data : NULL,
                             .accumulate_x = call->accumulate[0],
                             .accumulate_gain = call->accumulate[1],
                             .accumulate_bias = call->accumulate[2] };
    TERN_LEVEL(tern_layer_norm_backward)(call, &task);
}

const tern_impl TERN_LEVEL(tern_layer_norm_cpu) = {
    .op = "layer_norm", .backend = "cpu", .provider = "hand",
    .forward = layer_norm_forward, .backward = layer_norm_backward,
    .backward_workspace = backward_workspace,
};
