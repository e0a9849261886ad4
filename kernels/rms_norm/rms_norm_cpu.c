/* rms_norm on cpu: tiles of rows in vectors; a row is read from memory once and from
 * cache after that.
 *
 * The gradient of gain is a sum over rows.  Backward cuts the rows into blocks whose
 * size depends on the shape alone, leaves each block's sums in the workspace, [blocks, D],
 * and then adds the blocks up in their order, so that the number of threads does not
 * touch the bits. */
#include "kernels/rms_norm/rms_norm.h"

#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"

#include <math.h>

enum {
    TILE_ELEMENTS = 8192,
    BLOCK_ROWS = 32, /* at least, so that partial sums are few against the rows */
    MERGE_COLUMNS = 256
};

typedef struct rms_norm_task {
    const float *x, *gain, *grad_y;
    float *y, *inverse;                  /* inverse is NULL in inference */
    float *grad_x, *grad_gain, *partial; /* NULL when not wanted         */
    bool accumulate_x, accumulate_gain;
    double eps;
    int64_t width;
    tern_tiles rows;
} rms_norm_task;

static void cut_rows(rms_norm_task *task, const tern_tensor *x, int64_t least_rows)
{
    task->width = tern_dim(x, -1);
    task->rows = tern_tiles_of_rows(tern_extent(x, 0, x->rank - 1), task->width, TILE_ELEMENTS,
                                    least_rows);
}

/* -------------------------------------------------------------- forward -- */

static void forward_row(const rms_norm_task *task, int64_t r)
{
    const float *x = task->x + r * task->width;
    float *y = task->y + r * task->width;
    int64_t width = task->width;
    tern_vf squares = { 0 };

    for (int64_t d = 0; d < width; d += TERN_LANES) {
        tern_vf value = tern_load_part(x + d, width - d);
        squares += value * value;
    }
    float inverse = (float)(1 / sqrt((double)tern_hsum(squares) / (double)width + task->eps));
    for (int64_t d = 0; d < width; d += TERN_LANES) {
        tern_vf value = tern_load_part(x + d, width - d) * inverse;
        if (task->gain)
            value *= tern_load_part(task->gain + d, width - d);
        tern_store_part(y + d, value, width - d);
    }
    if (task->inverse)
        task->inverse[r] = inverse;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const rms_norm_task *task = argument;
    int64_t end = tern_tile_end(&task->rows, tile);
    (void)worker;
    for (int64_t r = tern_tile_begin(&task->rows, tile); r < end; r++)
        forward_row(task, r);
}

static void rms_norm_forward(tern_call *call)
{
    const tern_rms_norm_opts *opts = call->options;
    rms_norm_task task = { .x = call->in[0]->data, .y = call->out[0]->data, .eps = opts->eps,
                           .gain = call->in[1] ? call->in[1]->data : NULL,
                           .inverse = call->saved[0] ? call->saved[0]->data : NULL };
    cut_rows(&task, call->in[0], 1);
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, forward_tile, &task);
}

/* ------------------------------------------------------------- backward -- */

/* With n = x * inverse and g = dy * gain:  dx = inverse * (g - n * mean(g * n)) */
static void backward_x_row(const rms_norm_task *task, int64_t r)
{
    const float *x = task->x + r * task->width, *grad_y = task->grad_y + r * task->width;
    float *grad_x = task->grad_x + r * task->width;
    float inverse = task->inverse[r];
    int64_t width = task->width;
    tern_vf sum = { 0 };

    for (int64_t d = 0; d < width; d += TERN_LANES) {
        tern_vf g = tern_load_part(grad_y + d, width - d);
        if (task->gain)
            g *= tern_load_part(task->gain + d, width - d);
        sum += g * (tern_load_part(x + d, width - d) * inverse);
    }
    float mean_gn = tern_hsum(sum) / (float)width;
    for (int64_t d = 0; d < width; d += TERN_LANES) {
        int64_t n = width - d;
        tern_vf g = tern_load_part(grad_y + d, n);
        if (task->gain)
            g *= tern_load_part(task->gain + d, n);
        tern_vf value = inverse * (g - tern_load_part(x + d, n) * inverse * mean_gn);
        tern_store_grad(grad_x + d, value, n, task->accumulate_x);
    }
}

static void add_to_partial(const rms_norm_task *task, int64_t r, float *restrict gain)
{
    const float *restrict x = task->x + r * task->width;
    const float *restrict grad_y = task->grad_y + r * task->width;
    float inverse = task->inverse[r];

    for (int64_t d = 0; d < task->width; d++)
        gain[d] += grad_y[d] * (x[d] * inverse);
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const rms_norm_task *task = argument;
    float *gain = task->partial ? task->partial + task->width * tile : NULL;
    int64_t end = tern_tile_end(&task->rows, tile);
    (void)worker;

    if (gain)
        memset(gain, 0, (size_t)task->width * sizeof *gain);
    for (int64_t r = tern_tile_begin(&task->rows, tile); r < end; r++) {
        if (task->grad_x)
            backward_x_row(task, r);
        if (gain)
            add_to_partial(task, r, gain);
    }
}

/* grad_gain (+)= sum over blocks */
static void merge_tile(void *argument, int64_t tile, int worker)
{
    const rms_norm_task *task = argument;
    int64_t first = tile * MERGE_COLUMNS, left = task->width - first;
    int64_t columns = left < MERGE_COLUMNS ? left : MERGE_COLUMNS;
    float *restrict grad = task->grad_gain + first;
    (void)worker;

    if (!task->accumulate_gain)
        memset(grad, 0, (size_t)columns * sizeof *grad);
    for (int64_t block = 0; block < task->rows.count; block++) {
        const float *restrict sums = task->partial + task->width * block + first;
        for (int64_t d = 0; d < columns; d++)
            grad[d] += sums[d];
    }
}

static size_t backward_workspace(const tern_call *call)
{
    rms_norm_task task = { 0 };
    if (!call->grad_in[1])
        return 0;
    cut_rows(&task, call->in[0], BLOCK_ROWS);
    return (size_t)(task.width * task.rows.count) * sizeof(float);
}

static void rms_norm_backward(tern_call *call)
{
    rms_norm_task task = { .x = call->in[0]->data, .grad_y = call->grad_out[0]->data,
                           .gain = call->in[1] ? call->in[1]->data : NULL,
                           .inverse = call->saved[0]->data,
                           .grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL,
                           .grad_gain = call->grad_in[1] ? call->grad_in[1]->data : NULL,
                           .accumulate_x = call->accumulate[0],
                           .accumulate_gain = call->accumulate[1] };
    task.partial = task.grad_gain ? call->workspace : NULL;
    cut_rows(&task, call->in[0], BLOCK_ROWS);
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, backward_tile, &task);
    if (task.grad_gain)
        tern_parallel(tern_ctx_pool(call->ctx), (task.width + MERGE_COLUMNS - 1) / MERGE_COLUMNS,
                      merge_tile, &task);
}

const tern_impl TERN_LEVEL(tern_rms_norm_cpu) = {
    .op = "rms_norm", .backend = "cpu", .provider = "hand",
    .forward = rms_norm_forward, .backward = rms_norm_backward,
    .backward_workspace = backward_workspace,
};
