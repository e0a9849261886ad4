/* softmax on cpu: rows in vectors, in three passes over a row that stays in cache:
 * maximum; exponentials and their sum; scaling. */
#include "kernels/softmax/softmax.h"

#include "core/threads.h"
#include "core/vmath.h"
#include "kernels/softmax/valid_lanes.h"

enum { TILE_ELEMENTS = 4096 };

typedef struct softmax_task {
    const float *x, *y, *grad_y;
    const uint8_t *mask;
    float *to; /* y, or the gradient of x */
    int64_t rows, width, rows_per_tile;
    bool accumulate;
} softmax_task;

static void forward_row(const float *x, const uint8_t *mask, float *y, int64_t width)
{
    tern_vf largest = tern_splat(-INFINITY), sum = { 0 };
    if (mask && !has_valid(mask, width)) {
        memset(y, 0, (size_t)width * sizeof *y);
        return;
    }
    for (int64_t i = 0; i < width; i += TERN_LANES)
        largest = tern_vmax(load_valid(x + i, mask ? mask + i : NULL, width - i),
                            largest);
    float shift = tern_hmax(largest);
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf v = tern_vexp(load_valid(x + i, mask ? mask + i : NULL, n) - shift);
        sum += v;
        tern_store_part(y + i, v, n);
    }
    float scale = 1.0f / tern_hsum(sum);
    for (int64_t i = 0; i < width; i++)
        y[i] *= scale;
}

static void backward_row(const softmax_task *task, const float *y, const float *grad_y, float *to)
{
    int64_t whole = task->width / TERN_LANES * TERN_LANES, rest = task->width - whole;
    tern_vf sum = tern_load_part(y + whole, rest) * tern_load_part(grad_y + whole, rest);
    for (int64_t i = 0; i < whole; i += TERN_LANES)
        sum += tern_load(y + i) * tern_load(grad_y + i);
    float dot = tern_hsum(sum);
    for (int64_t i = 0; i < task->width; i++) {
        float grad = y[i] * (grad_y[i] - dot);
        to[i] = task->accumulate ? to[i] + grad : grad;
    }
}

static int64_t tile_end(const softmax_task *task, int64_t tile)
{
    int64_t end = (tile + 1) * task->rows_per_tile;
    return end < task->rows ? end : task->rows;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const softmax_task *task = argument;
    (void)worker;
    for (int64_t r = tile * task->rows_per_tile; r < tile_end(task, tile); r++) {
        int64_t at = r * task->width;
        forward_row(task->x + at, task->mask ? task->mask + at : NULL, task->to + at, task->width);
    }
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const softmax_task *task = argument;
    (void)worker;
    for (int64_t r = tile * task->rows_per_tile; r < tile_end(task, tile); r++) {
        int64_t at = r * task->width;
        backward_row(task, task->y + at, task->grad_y + at, task->to + at);
    }
}

static void run(tern_call *call, softmax_task *task, tern_tile_fn tile)
{
    const tern_tensor *x = call->in[0];
    if (x->count == 0)
        return;
    task->width = tern_dim(x, -1);
    task->rows = x->count / task->width;
    task->rows_per_tile = (TILE_ELEMENTS + task->width - 1) / task->width;
    tern_parallel(tern_ctx_pool(call->ctx),
                  (task->rows + task->rows_per_tile - 1) / task->rows_per_tile, tile, task);
}

static void softmax_forward(tern_call *call)
{
    softmax_task task = { .x = call->in[0]->data, .to = call->out[0]->data,
                          .mask = call->in[1] ? call->in[1]->data : NULL };
    run(call, &task, forward_tile);
}

static void softmax_backward(tern_call *call)
{
    softmax_task task = { .y = call->out[0]->data, .grad_y = call->grad_out[0]->data,
                          .to = call->grad_in[0]->data, .accumulate = call->accumulate[0] };
    run(call, &task, backward_tile);
}

const tern_impl TERN_LEVEL(tern_softmax_cpu) = {
    .op = "softmax", .backend = "cpu", .provider = "hand",
    .forward = softmax_forward, .backward = softmax_backward,
};
