/* relu, gelu, sigmoid and tanh on cpu: tiles of TILE elements, vector by vector. */
#include "kernels/elementwise/unary.h"

#include "core/threads.h"
#include "kernels/elementwise/activation_cpu.h"

enum { TILE = 8192 };

typedef struct unary_task {
    const float *x, *y, *grad_y; /* backward: x or y is NULL */
    float *to;                   /* y, or the gradient of x  */
    int64_t count;
    bool accumulate;
} unary_task;

static inline int64_t tile_end(const unary_task *task, int64_t tile)
{
    return (tile + 1) * TILE < task->count ? (tile + 1) * TILE : task->count;
}

/* Inlined once for each activation, which is then a constant. */
static inline void forward_tile(const unary_task *task, int64_t tile, tern_activation activation)
{
    int64_t i = tile * TILE, end = tile_end(task, tile);
    for (; i < end; i += TERN_LANES) {
        tern_vf x = tern_load_part(task->x + i, end - i);
        tern_store_part(task->to + i, tern_vactivate(activation, x), end - i);
    }
}

static inline void backward_tile(const unary_task *task, int64_t tile, tern_activation activation)
{
    int64_t i = tile * TILE, end = tile_end(task, tile);
    /* gelu's slope is found from x, the others' from y. */
    const float *from = tern_activation_saves_input(activation) ? task->x : task->y;
    for (; i < end; i += TERN_LANES) {
        tern_vf value = tern_load_part(from + i, end - i);
        tern_vf grad = tern_load_part(task->grad_y + i, end - i) *
                       tern_vactivation_slope(activation, value, value);
        if (task->accumulate)
            grad += tern_load_part(task->to + i, end - i);
        tern_store_part(task->to + i, grad, end - i);
    }
}

static void forward(tern_call *call, tern_tile_fn tile)
{
    unary_task task = { .x = call->in[0]->data, .to = call->out[0]->data,
                        .count = call->in[0]->count };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, tile, &task);
}

static void backward(tern_call *call, tern_tile_fn tile)
{
    unary_task task = { .x = call->in[0]->data, .y = call->out[0]->data,
                        .grad_y = call->grad_out[0]->data, .to = call->grad_in[0]->data,
                        .count = call->in[0]->count, .accumulate = call->accumulate[0] };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, tile, &task);
}

/* ----------------------------------------------------------------- relu -- */

static void relu_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, TERN_ACT_RELU);
}

static void relu_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, TERN_ACT_RELU);
}

static void relu_forward(tern_call *call) { forward(call, relu_forward_tile); }
static void relu_backward(tern_call *call) { backward(call, relu_backward_tile); }

const tern_impl TERN_LEVEL(tern_relu_cpu) = {
    .op = "relu", .backend = "cpu", .provider = "hand",
    .forward = relu_forward, .backward = relu_backward,
};

/* ----------------------------------------------------------------- gelu -- */

static void gelu_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, TERN_ACT_GELU);
}

static void gelu_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, TERN_ACT_GELU);
}

static void gelu_forward(tern_call *call) { forward(call, gelu_forward_tile); }
static void gelu_backward(tern_call *call) { backward(call, gelu_backward_tile); }

const tern_impl TERN_LEVEL(tern_gelu_cpu) = {
    .op = "gelu", .backend = "cpu", .provider = "hand",
    .forward = gelu_forward, .backward = gelu_backward,
};

/* -------------------------------------------------------------- sigmoid -- */

static void sigmoid_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, TERN_ACT_SIGMOID);
}

static void sigmoid_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, TERN_ACT_SIGMOID);
}

static void sigmoid_forward(tern_call *call) { forward(call, sigmoid_forward_tile); }
static void sigmoid_backward(tern_call *call) { backward(call, sigmoid_backward_tile); }

const tern_impl TERN_LEVEL(tern_sigmoid_cpu) = {
    .op = "sigmoid", .backend = "cpu", .provider = "hand",
    .forward = sigmoid_forward, .backward = sigmoid_backward,
};

/* ----------------------------------------------------------------- tanh -- */

static void tanh_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, TERN_ACT_TANH);
}

static void tanh_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, TERN_ACT_TANH);
}

static void tanh_forward(tern_call *call) { forward(call, tanh_forward_tile); }
static void tanh_backward(tern_call *call) { backward(call, tanh_backward_tile); }

const tern_impl TERN_LEVEL(tern_tanh_cpu) = {
    .op = "tanh", .backend = "cpu", .provider = "hand",
    .forward = tanh_forward, .backward = tanh_backward,
};
