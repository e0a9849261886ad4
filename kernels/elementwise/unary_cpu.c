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
    for (; i + TERN_LANES <= end; i += TERN_LANES)
        tern_store(task->to + i, tern_vactivate(activation, tern_load(task->x + i)));
    if (i < end)
        tern_store_part(task->to + i,
                        tern_vactivate(activation, tern_load_part(task->x + i, end - i)), end - i);
}

static inline tern_vf load_or_zero(const float *p, int64_t i, int64_t lanes)
{
    if (!p)
        return (tern_vf){ 0 };
    return lanes == TERN_LANES ? tern_load(p + i) : tern_load_part(p + i, lanes);
}

static inline void backward_vector(const unary_task *task, int64_t i, int64_t lanes,
                                   tern_activation activation)
{
    bool from_input = tern_activation_saves_input(activation);
    tern_vf x = load_or_zero(from_input ? task->x : NULL, i, lanes);
    tern_vf y = load_or_zero(from_input ? NULL : task->y, i, lanes);
    tern_vf grad = load_or_zero(task->grad_y, i, lanes) * tern_vactivation_slope(activation, x, y);
    if (task->accumulate)
        grad += load_or_zero(task->to, i, lanes);
    if (lanes == TERN_LANES)
        tern_store(task->to + i, grad);
    else
        tern_store_part(task->to + i, grad, lanes);
}

static inline void backward_tile(const unary_task *task, int64_t tile, tern_activation activation)
{
    int64_t i = tile * TILE, end = tile_end(task, tile);
    for (; i + TERN_LANES <= end; i += TERN_LANES)
        backward_vector(task, i, TERN_LANES, activation);
    if (i < end)
        backward_vector(task, i, end - i, activation);
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
