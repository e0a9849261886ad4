/* softmax on cpu: rows in vectors, in three passes over a row that stays in cache:
 * maximum; exponentials and their sum; scaling. */
#include "kernels/softmax/softmax.h"

#include "kernels/softmax/softmax_rows_cpu.h"

static void forward_row(const softmax_task *task, int64_t at)
{
    const float *x = task->x + at;
    const uint8_t *mask = mask_at(task->mask, at);
    float *y = task->to + at;
    int64_t width = task->width;
    tern_vf sum = { 0 };

    if (mask && !has_valid(mask, width)) {
        memset(y, 0, (size_t)width * sizeof *y);
        return;
    }
    float shift = tern_row_maximum(x, mask, width);
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf v = tern_vexp(load_valid(x + i, mask_at(mask, i), n) - shift);
        sum += v;
        tern_store_part(y + i, v, n);
    }
    float scale = 1.0f / tern_hsum(sum);
    for (int64_t i = 0; i < width; i++)
        y[i] *= scale;
}

/* dx[d] = y[d] * (dy[d] - sum_j dy[j] y[j]); y is 0 where the mask was. */
static void backward_row(const softmax_task *task, int64_t at)
{
    const float *y = task->y + at, *grad_y = task->grad_y + at;
    float *to = task->to + at;
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

static void softmax_forward(tern_call *call)
{
    softmax_rows_forward(call, forward_row);
}

static void softmax_backward(tern_call *call)
{
    softmax_rows_backward(call, backward_row);
}

const tern_impl TERN_LEVEL(tern_softmax_cpu) = {
    .op = "softmax", .backend = "cpu", .provider = "hand",
    .forward = softmax_forward, .backward = softmax_backward,
};
