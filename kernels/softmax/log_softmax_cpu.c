/* log_softmax on cpu: rows in vectors, in three passes over a row that stays in cache:
 * maximum; sum of exponentials; differences. */
#include "kernels/softmax/log_softmax.h"

#include "core/threads.h"
#include "core/vmath.h"
#include "kernels/softmax/valid_lanes.h"

enum { TILE_ELEMENTS = 4096 };

typedef struct log_softmax_task {
    const float *x, *y, *grad_y;
    const uint8_t *mask;
    float *to; /* y, or the gradient of x */
    int64_t rows, width, rows_per_tile;
    bool accumulate;
} log_softmax_task;

/* v where valid, 0 elsewhere. */
static inline tern_vf keep_valid(tern_vf v, const uint8_t *mask, int64_t n)
{
    return mask ? tern_select(valid_lanes(mask, n), v, tern_splat(0)) : v;
}

static const uint8_t *mask_at(const uint8_t *mask, int64_t i)
{
    return mask ? mask + i : NULL;
}

static void forward_row(const float *x, const uint8_t *mask, float *y, int64_t width)
{
    tern_vf largest = tern_splat(-INFINITY), sum = { 0 };
    if (mask && !has_valid(mask, width)) {
        memset(y, 0, (size_t)width * sizeof *y);
        return;
    }
    for (int64_t i = 0; i < width; i += TERN_LANES)
        largest = tern_vmax(load_valid(x + i, mask_at(mask, i), width - i), largest);
    float shift = tern_hmax(largest);
    for (int64_t i = 0; i < width; i += TERN_LANES)
        sum += tern_vexp(load_valid(x + i, mask_at(mask, i), width - i) - shift);
    float log_sum = tern_logf(tern_hsum(sum));
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf v = (tern_load_part(x + i, n) - shift) - log_sum;
        tern_store_part(y + i, keep_valid(v, mask_at(mask, i), n), n);
    }
}

static void backward_row(const log_softmax_task *task, const float *y, const float *grad_y,
                         const uint8_t *mask, float *to)
{
    tern_vf sum = { 0 };
    for (int64_t i = 0; i < task->width; i += TERN_LANES)
        sum += keep_valid(tern_load_part(grad_y + i, task->width - i), mask_at(mask, i),
                          task->width - i);
    float total = tern_hsum(sum);
    for (int64_t i = 0; i < task->width; i += TERN_LANES) {
        int64_t n = task->width - i;
        tern_vf grad = tern_load_part(grad_y + i, n) - tern_vexp(tern_load_part(y + i, n)) * total;
        grad = keep_valid(grad, mask_at(mask, i), n);
        tern_store_part(to + i, task->accumulate ? tern_load_part(to + i, n) + grad : grad, n);
    }
}

static int64_t tile_end(const log_softmax_task *task, int64_t tile)
{
    int64_t end = (tile + 1) * task->rows_per_tile;
    return end < task->rows ? end : task->rows;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const log_softmax_task *task = argument;
    (void)worker;
    for (int64_t r = tile * task->rows_per_tile; r < tile_end(task, tile); r++) {
        int64_t at = r * task->width;
        forward_row(task->x + at, mask_at(task->mask, at), task->to + at, task->width);
    }
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const log_softmax_task *task = argument;
    (void)worker;
    for (int64_t r = tile * task->rows_per_tile; r < tile_end(task, tile); r++) {
        int64_t at = r * task->width;
        backward_row(task, task->y + at, task->grad_y + at, mask_at(task->mask, at),
                     task->to + at);
    }
}

static void run(tern_call *call, log_softmax_task *task, tern_tile_fn tile)
{
    const tern_tensor *x = call->in[0];
    if (x->count == 0)
        return;
    task->mask = call->in[1] ? call->in[1]->data : NULL;
    task->width = tern_dim(x, -1);
    task->rows = x->count / task->width;
    task->rows_per_tile = (TILE_ELEMENTS + task->width - 1) / task->width;
    tern_parallel(tern_ctx_pool(call->ctx),
                  (task->rows + task->rows_per_tile - 1) / task->rows_per_tile, tile, task);
}

static void log_softmax_forward(tern_call *call)
{
    log_softmax_task task = { .x = call->in[0]->data, .to = call->out[0]->data };
    run(call, &task, forward_tile);
}

static void log_softmax_backward(tern_call *call)
{
    log_softmax_task task = { .y = call->out[0]->data, .grad_y = call->grad_out[0]->data,
                              .to = call->grad_in[0]->data, .accumulate = call->accumulate[0] };
    run(call, &task, backward_tile);
}

const tern_impl TERN_LEVEL(tern_log_softmax_cpu) = {
    .op = "log_softmax", .backend = "cpu", .provider = "hand",
    .forward = log_softmax_forward, .backward = log_softmax_backward,
};
