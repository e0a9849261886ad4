/* add and mul on cpu: float32, by rows of the broadcast walk.
 *
 * The output is cut into tiles of TILE elements; a tile covers parts of rows (see
 * broadcast.h), so equal shapes are one long row and a vector over rows is read
 * again for each.  The gradient of an input that was not repeated is the same
 * walk; of one that was, a sum (broadcast_sum.h). */
#include "kernels/elementwise/binary.h"

#include "core/simd.h"
#include "core/threads.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/broadcast_sum.h"

enum { TILE = 16384 };

typedef enum operation { ADD, MUL, FIRST /* the first operand itself */ } operation;

typedef struct walk {
    operation operation;
    tern_broadcast plan;
    const float *first, *second;
    float *y;
    int64_t count;
    bool accumulate;
} walk;

/* n elements of a row; a stride is 0 (one value repeated) or 1, and a constant
 * where this is inlined. */
static inline void row(operation op, const float *restrict a, int64_t stride_a,
                       const float *restrict b, int64_t stride_b, float *restrict y, int64_t n,
                       bool accumulate)
{
    for (int64_t i = 0; i < n; i++) {
        float u = a[i * stride_a], v = b[i * stride_b];
        float value = op == ADD ? u + v : op == MUL ? u * v : u;
        y[i] = accumulate ? y[i] + value : value;
    }
}

static inline void row_of(operation op, const float *a, int64_t stride_a, const float *b,
                          int64_t stride_b, float *y, int64_t n, bool accumulate)
{
    if (stride_a && stride_b)
        row(op, a, 1, b, 1, y, n, accumulate);
    else if (stride_a)
        row(op, a, 1, b, 0, y, n, accumulate);
    else
        row(op, a, 0, b, 1, y, n, accumulate);
}

static void any_row(const walk *w, const float *a, const float *b, float *y, int64_t n)
{
    int last = w->plan.axes - 1;
    int64_t stride_a = w->plan.stride[0][last], stride_b = w->plan.stride[1][last];
    switch (w->operation) {
    case ADD: row_of(ADD, a, stride_a, b, stride_b, y, n, w->accumulate); break;
    case MUL: row_of(MUL, a, stride_a, b, stride_b, y, n, w->accumulate); break;
    case FIRST: row_of(FIRST, a, stride_a, b, stride_b, y, n, w->accumulate); break;
    }
}

static void walk_tile(void *argument, int64_t tile, int worker)
{
    const walk *w = argument;
    const tern_broadcast *plan = &w->plan;
    int last = plan->axes - 1;
    int64_t at = tile * TILE, end = at + TILE < w->count ? at + TILE : w->count;
    (void)worker;

    while (at < end) {
        int64_t column = at % plan->extent[last], left = plan->extent[last] - column;
        int64_t n = left < end - at ? left : end - at, index = at / plan->extent[last];
        int64_t a = column * plan->stride[0][last], b = column * plan->stride[1][last];
        for (int axis = last - 1; axis >= 0; axis--) {
            a += index % plan->extent[axis] * plan->stride[0][axis];
            b += index % plan->extent[axis] * plan->stride[1][axis];
            index /= plan->extent[axis];
        }
        any_row(w, w->first + a, w->second + b, w->y + at, n);
        at += n;
    }
}

/* y (+)= first op second, both broadcast to y. */
static void apply(tern_ctx *ctx, operation op, const tern_tensor *first, const tern_tensor *second,
                  tern_tensor *y, bool accumulate)
{
    walk w = { op, tern_broadcast_plan(y, first, second), first->data, second->data, y->data,
               y->count, accumulate };
    tern_parallel(tern_ctx_pool(ctx), (y->count + TILE - 1) / TILE, walk_tile, &w);
}

static void add_forward(tern_call *call)
{
    apply(call->ctx, ADD, call->in[0], call->in[1], call->out[0], false);
}

static void mul_forward(tern_call *call)
{
    apply(call->ctx, MUL, call->in[0], call->in[1], call->out[0], false);
}

/* What input `which` is multiplied with; NULL stands for 1. */
static const tern_tensor *factor_of(const tern_call *call, operation op, int which)
{
    return op == MUL ? call->in[1 - which] : NULL;
}

static size_t workspace(const tern_call *call, operation op)
{
    size_t most = 0;
    for (int which = 0; which < 2; which++) {
        if (!call->grad_in[which] || call->in[which]->count == call->out[0]->count)
            continue;
        size_t bytes = TERN_LEVEL(tern_broadcast_sum_bytes)(
            call->out[0], factor_of(call, op, which), call->in[which]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static size_t add_workspace(const tern_call *call)
{
    return workspace(call, ADD);
}

static size_t mul_workspace(const tern_call *call)
{
    return workspace(call, MUL);
}

static void backward(tern_call *call, operation op)
{
    const tern_tensor *grad_y = call->grad_out[0];
    for (int which = 0; which < 2; which++) {
        const tern_tensor *factor = factor_of(call, op, which);
        tern_tensor *grad = call->grad_in[which];
        bool accumulate = call->accumulate[which];
        if (!grad)
            continue;
        if (grad->count != grad_y->count)
            TERN_LEVEL(tern_broadcast_sum)(call->ctx, grad_y, factor, grad, accumulate,
                                           call->workspace);
        else if (factor)
            apply(call->ctx, MUL, grad_y, factor, grad, accumulate);
        else
            apply(call->ctx, FIRST, grad_y, grad_y, grad, accumulate);
    }
}

static void add_backward(tern_call *call)
{
    backward(call, ADD);
}

static void mul_backward(tern_call *call)
{
    backward(call, MUL);
}

const tern_impl TERN_LEVEL(tern_add_cpu) = {
    .op = "add", .backend = "cpu", .provider = "hand",
    .forward = add_forward, .backward = add_backward, .backward_workspace = add_workspace,
};

const tern_impl TERN_LEVEL(tern_mul_cpu) = {
    .op = "mul", .backend = "cpu", .provider = "hand",
    .forward = mul_forward, .backward = mul_backward, .backward_workspace = mul_workspace,
};
