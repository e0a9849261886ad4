/* where on cpu: float32, by rows of the broadcast walk (broadcast.h).
 *
 * The gradient of an input that was not repeated is the same walk, a choice between
 * grad_y and 0; of one that was repeated, these choices are summed (broadcast_sum.h). */
#include "kernels/elementwise/where.h"

#include "core/threads.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/broadcast_sum.h"

enum { TILE = 16384 };
enum { CONDITION, A, B }; /* inputs */

typedef struct where_task {
    tern_broadcast plan;
    const uint8_t *condition;
    const float *a, *b;
    float *y;
    int64_t count;
    bool accumulate;
} where_task;

/* n elements of a row; a stride is 0 (one value repeated) or 1, and a constant where
 * this is inlined. */
static inline void row(const uint8_t *restrict condition, int64_t stride_c,
                       const float *restrict a, int64_t stride_a, const float *restrict b,
                       int64_t stride_b, float *restrict y, int64_t n, bool accumulate)
{
    for (int64_t i = 0; i < n; i++) {
        float u = a[i * stride_a], v = b[i * stride_b];
        float chosen = condition[i * stride_c] ? u : v;
        y[i] = accumulate ? y[i] + chosen : chosen;
    }
}

static inline void row_of(const uint8_t *condition, int64_t stride_c, const float *a,
                          int64_t stride_a, const float *b, int64_t stride_b, float *y, int64_t n,
                          bool accumulate)
{
    if (stride_a && stride_b)
        row(condition, stride_c, a, 1, b, 1, y, n, accumulate);
    else if (stride_a)
        row(condition, stride_c, a, 1, b, 0, y, n, accumulate);
    else if (stride_b)
        row(condition, stride_c, a, 0, b, 1, y, n, accumulate);
    else
        row(condition, stride_c, a, 0, b, 0, y, n, accumulate);
}

static void where_tile(void *argument, int64_t tile, int worker)
{
    const where_task *task = argument;
    const tern_broadcast *plan = &task->plan;
    int64_t at = tile * TILE, end = at + TILE < task->count ? at + TILE : task->count;
    int last = plan->axes - 1;
    int64_t stride_a = plan->stride[A][last], stride_b = plan->stride[B][last];
    (void)worker;

    while (at < end) {
        tern_broadcast_piece piece = tern_broadcast_next(plan, at, end);
        const uint8_t *condition = task->condition + piece.offset[CONDITION];
        const float *a = task->a + piece.offset[A], *b = task->b + piece.offset[B];
        float *y = task->y + at;
        if (plan->stride[CONDITION][last])
            row_of(condition, 1, a, stride_a, b, stride_b, y, piece.count, task->accumulate);
        else
            row_of(condition, 0, a, stride_a, b, stride_b, y, piece.count, task->accumulate);
        at += piece.count;
    }
}

/* y (+)= condition ? a : b, in the shape of the op's output. */
static void choose(tern_call *call, const tern_tensor *a, const tern_tensor *b, float *y,
                   bool accumulate)
{
    const tern_tensor *operands[] = { call->in[CONDITION], a, b };
    where_task task = { .plan = tern_broadcast_plan(call->out[0], operands, 3),
                        .condition = operands[CONDITION]->data, .a = a->data, .b = b->data,
                        .y = y, .count = call->out[0]->count, .accumulate = accumulate };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, where_tile, &task);
}

static void where_forward(tern_call *call)
{
    choose(call, call->in[A], call->in[B], call->out[0]->data, false);
}

static bool is_repeated(const tern_call *call, int which)
{
    return call->in[which]->count != call->out[0]->count;
}

/* The choices, padded so that what follows is aligned. */
static size_t choices_bytes(const tern_call *call)
{
    return ((size_t)call->out[0]->count * sizeof(float) + 63) & ~(size_t)63;
}

static size_t where_workspace(const tern_call *call)
{
    size_t most = 0;
    for (int which = A; which <= B; which++) {
        if (!call->grad_in[which] || !is_repeated(call, which))
            continue;
        size_t bytes = choices_bytes(call) + TERN_LEVEL(tern_broadcast_sum_bytes)(
                                                 call->out[0], NULL, call->in[which]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void gradient_of(tern_call *call, int which)
{
    float nothing = 0;
    tern_tensor zero = { .dtype = TERN_F32, .count = 1, .data = &nothing };
    const tern_tensor *a = which == A ? call->grad_out[0] : &zero;
    const tern_tensor *b = which == B ? call->grad_out[0] : &zero;
    if (is_repeated(call, which)) {
        tern_tensor choices = *call->grad_out[0];
        choices.data = call->workspace;
        choose(call, a, b, choices.data, false);
        TERN_LEVEL(tern_broadcast_sum)(call->ctx, &choices, NULL, call->grad_in[which],
                                       call->accumulate[which],
                                       (char *)call->workspace + choices_bytes(call));
    } else {
        choose(call, a, b, call->grad_in[which]->data, call->accumulate[which]);
    }
}

static void where_backward(tern_call *call)
{
    for (int which = A; which <= B; which++)
        if (call->grad_in[which])
            gradient_of(call, which);
}

const tern_impl TERN_LEVEL(tern_where_cpu) = {
    .op = "where", .backend = "cpu", .provider = "hand",
    .forward = where_forward, .backward = where_backward, .backward_workspace = where_workspace,
};
