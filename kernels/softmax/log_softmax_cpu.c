/* log_softmax on cpu: rows in vectors, in three passes over a row that stays in cache:
 * maximum; sum of exponentials; differences. */
#include "kernels/softmax/log_softmax.h"

#include "kernels/softmax/softmax_rows_cpu.h"

/* v where valid, 0 elsewhere. */
static inline tern_vf keep_valid(tern_vf v, const uint8_t *mask, int64_t n)
{
    return mask ? tern_select(valid_lanes(mask, n), v, tern_splat(0)) : v;
}

static void forward_row(const softmax_task *task, int64_t at)
{
    const float *x = task->x + at;
    const uint8_t *mask = mask_at(task->mask, at);
    float *y = task->to + at;
    int64_t width = task->width;

    if (mask && !has_valid(mask, width)) {
        memset(y, 0, (size_t)width * sizeof *y);
        return;
    }
    float shift = tern_row_maximum(x, mask, width);
    float log_sum = tern_logf(tern_row_exponentials(x, mask, width, shift));
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf v = (tern_load_part(x + i, n) - shift) - log_sum;
        tern_store_part(y + i, keep_valid(v, mask_at(mask, i), n), n);
    }
}

/* dx[d] = dy[d] - exp(y[d]) * sum_j dy[j] over the valid elements. */
static void backward_row(const softmax_task *task, int64_t at)
{
    const float *y = task->y + at, *grad_y = task->grad_y + at;
    const uint8_t *mask = mask_at(task->mask, at);
    float *to = task->to + at;
    int64_t width = task->width;
    tern_vf sum = { 0 };

    for (int64_t i = 0; i < width; i += TERN_LANES)
        sum += keep_valid(tern_load_part(grad_y + i, width - i), mask_at(mask, i), width - i);
    float total = tern_hsum(sum);
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf grad = tern_load_part(grad_y + i, n) - tern_vexp(tern_load_part(y + i, n)) * total;
        tern_store_grad(to + i, keep_valid(grad, mask_at(mask, i), n), n, task->accumulate);
    }
}

static void log_softmax_forward(tern_call *call)
{
    softmax_rows_forward(call, forward_row);
}

static void log_softmax_backward(tern_call *call)
{
    softmax_rows_backward(call, backward_row);
}

const tern_impl TERN_LEVEL(tern_log_softmax_cpu) = {
    .op = "log_softmax", .backend = "cpu", .provider = "hand",
    .forward = log_softmax_forward, .backward = log_softmax_backward,
};
