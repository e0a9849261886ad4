/* mse, l1, huber and bce_with_logits on cpu: tiles of TILE elements, vector by vector.
 *
 * Sums are kept in float32 within BLOCK elements and in float64 beyond; every tile
 * leaves its sum of terms and of weights in the workspace, and one thread adds them
 * up in the order of the tiles. */
#include "kernels/losses/pointwise.h"

#include "core/threads.h"
#include "core/vmath.h"

enum { TILE = 8192, BLOCK = 512 };

typedef struct tile_sums {
    double terms, weights;
} tile_sums;

typedef struct pointwise_task {
    const float *x, *target, *weight, *pos_weight; /* weights may be NULL */
    int64_t count, classes; /* length of pos_weight */
    float delta;
    tile_sums *sums;
    float *loss;               /* of reduction none, else NULL        */
    const float *grad_loss;    /* backward, as loss                   */
    float upstream;            /* backward: else the gradient of each */
    float *to_x, *to_target;   /* gradients; NULL if not wanted       */
    bool accumulate_x, accumulate_target;
} pointwise_task;

static pointwise_task task_of(const tern_call *call)
{
    const tern_loss_opts *opts = call->options;
    const tern_tensor *weight = call->in[LOSS_WEIGHT];
    const tern_tensor *positive = call->inputs > LOSS_POS_WEIGHT ? call->in[LOSS_POS_WEIGHT] : NULL;
    return (pointwise_task){ .x = call->in[LOSS_X]->data, .target = call->in[LOSS_TARGET]->data,
                             .weight = weight ? weight->data : NULL,
                             .pos_weight = positive ? positive->data : NULL,
                             .classes = positive ? positive->count : 1,
                             .count = call->in[LOSS_X]->count, .delta = (float)opts->delta };
}

static int64_t tile_count(const pointwise_task *task)
{
    return (task->count + TILE - 1) / TILE;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The weights of the classes that elements i to i + n - 1 belong to. */
static inline tern_vf positives(const pointwise_task *task, int64_t i, int64_t n)
{
    tern_vf weight = tern_splat(1);
    if (!task->pos_weight)
        return weight;
    int64_t c = i % task->classes;
    for (int lane = 0; lane < TERN_LANES && lane < n; lane++) {
        weight[lane] = task->pos_weight[c];
        c = c + 1 < task->classes ? c + 1 : 0;
    }
    return weight;
}

/* log(1 + exp(-|x|)).  Where the sum rounds, log(1 + e) e / ((1 + e) - 1) does not
 * depend on how. */
static inline tern_vf log_one_plus_exp(tern_vf x)
{
    tern_vf e = tern_vexp(-tern_vabs(x)), sum = 1.0f + e, rounded = sum - 1.0f;
    return tern_select(rounded == 0, e, tern_vlog(sum) * (e / rounded));
}

static inline tern_vf term_of(tern_pointwise kind, tern_vf x, tern_vf target, tern_vf positive,
                              float delta)
{
    const tern_vf zero = { 0 };
    tern_vf d = x - target, size = tern_vabs(d);
    switch (kind) {
    case POINTWISE_MSE: return d * d;
    case POINTWISE_L1: return size;
    case POINTWISE_HUBER:
        return tern_select(size > delta, delta * (size - 0.5f * delta), 0.5f * d * d);
    case POINTWISE_BCE: break;
    }
    tern_vf tail = log_one_plus_exp(x);
    return positive * target * (tail + tern_vmax(-x, zero)) +
           (1.0f - target) * (tail + tern_vmax(x, zero));
}

static inline tern_vf slope_of_x(tern_pointwise kind, tern_vf x, tern_vf target, tern_vf positive,
                                 float delta)
{
    const tern_vf zero = { 0 }, one = tern_splat(1);
    tern_vf d = x - target;
    switch (kind) {
    case POINTWISE_MSE: return 2.0f * d;
    case POINTWISE_L1: return tern_select(d == 0, zero, tern_vcopysign(one, d));
    case POINTWISE_HUBER:
        return tern_select(tern_vabs(d) > delta, tern_vcopysign(tern_splat(delta), d), d);
    case POINTWISE_BCE: break;
    }
    return (1.0f - target) * tern_vsigmoid(x) - positive * target * tern_vsigmoid(-x);
}

static inline tern_vf slope_of_target(tern_pointwise kind, tern_vf x, tern_vf target,
                                      tern_vf positive, float delta)
{
    const tern_vf zero = { 0 };
    if (kind != POINTWISE_BCE)
        return -slope_of_x(kind, x, target, positive, delta);
    return (positive - 1.0f) * log_one_plus_exp(x) + positive * tern_vmax(-x, zero) -
           tern_vmax(x, zero);
}

/* -------------------------------------------------------------- forward -- */

/* The terms from i to end, and their weights, added to *sums. */
static inline void sum_block(const pointwise_task *task, int64_t i, int64_t end, tile_sums *sums,
                             tern_pointwise kind)
{
    tern_vf terms = { 0 }, weights = { 0 };
    for (; i < end; i += TERN_LANES) {
        int64_t n = end - i;
        tern_vf x = tern_load_part(task->x + i, n), target = tern_load_part(task->target + i, n);
        tern_vf weight = tern_splat(1);
        if (task->weight)
            weight = tern_load_part(task->weight + i, n);
        tern_vf term = weight * term_of(kind, x, target, positives(task, i, n), task->delta);
        if (task->loss)
            tern_store_part(task->loss + i, term, n);
        if (n < TERN_LANES) { /* bce has a term where x is 0, in lanes beyond */
            tern_vf beyond = { 0 };
            tern_store_part((float *)&beyond, term, n);
            term = beyond;
        }
        terms += term;
        weights += weight;
    }
    sums->terms += tern_hsum(terms);
    sums->weights += tern_hsum(weights);
}

static inline void forward_tile(const pointwise_task *task, int64_t tile, tern_pointwise kind)
{
    int64_t end = smaller((tile + 1) * TILE, task->count);
    tile_sums sums = { 0, 0 };
    for (int64_t i = tile * TILE; i < end; i += BLOCK)
        sum_block(task, i, smaller(i + BLOCK, end), &sums, kind);
    task->sums[tile] = sums;
}

static size_t forward_workspace(const tern_call *call)
{
    pointwise_task task = { .count = call->in[LOSS_X]->count };
    return (size_t)tile_count(&task) * sizeof(tile_sums);
}

static void forward(tern_call *call, tern_tile_fn tile, tern_pointwise kind)
{
    const tern_loss_opts *opts = call->options;
    pointwise_task task = task_of(call);
    double terms = 0, weights = 0, divisor = 1;
    bool by_weights = task.weight && tern_pointwise_divides_by_weights(kind);

    task.sums = call->workspace;
    task.loss = opts->reduction == TERN_REDUCE_NONE ? call->out[0]->data : NULL;
    tern_parallel(tern_ctx_pool(call->ctx), tile_count(&task), tile, &task);
    for (int64_t i = 0; i < tile_count(&task); i++) {
        terms += task.sums[i].terms;
        weights += task.sums[i].weights;
    }
    if (opts->reduction == TERN_REDUCE_MEAN)
        divisor = by_weights ? weights : (double)task.count;
    if (!task.loss)
        *(float *)call->out[0]->data = divisor != 0 ? (float)(terms / divisor) : 0;
    if (call->saved[0])
        *(float *)call->saved[0]->data = (float)divisor;
}

/* ------------------------------------------------------------- backward -- */

static inline void backward_tile(const pointwise_task *task, int64_t tile, tern_pointwise kind)
{
    int64_t i = tile * TILE, end = smaller((tile + 1) * TILE, task->count);
    for (; i < end; i += TERN_LANES) {
        int64_t n = end - i;
        tern_vf x = tern_load_part(task->x + i, n), target = tern_load_part(task->target + i, n);
        tern_vf positive = positives(task, i, n), scale = tern_splat(task->upstream);
        if (task->grad_loss)
            scale = tern_load_part(task->grad_loss + i, n);
        if (task->weight)
            scale *= tern_load_part(task->weight + i, n);
        if (task->to_x)
            tern_store_grad(task->to_x + i,
                            scale * slope_of_x(kind, x, target, positive, task->delta), n,
                            task->accumulate_x);
        if (task->to_target)
            tern_store_grad(task->to_target + i,
                            scale * slope_of_target(kind, x, target, positive, task->delta), n,
                            task->accumulate_target);
    }
}

static void backward(tern_call *call, tern_tile_fn tile)
{
    const tern_loss_opts *opts = call->options;
    const float *grad_loss = call->grad_out[0]->data;
    float divisor = *(const float *)call->saved[0]->data;
    pointwise_task task = task_of(call);

    if (opts->reduction == TERN_REDUCE_NONE)
        task.grad_loss = grad_loss;
    else
        task.upstream = divisor != 0 ? *grad_loss / divisor : 0;
    task.to_x = call->grad_in[LOSS_X] ? call->grad_in[LOSS_X]->data : NULL;
    task.to_target = call->grad_in[LOSS_TARGET] ? call->grad_in[LOSS_TARGET]->data : NULL;
    task.accumulate_x = call->accumulate[LOSS_X];
    task.accumulate_target = call->accumulate[LOSS_TARGET];
    tern_parallel(tern_ctx_pool(call->ctx), tile_count(&task), tile, &task);
}

/* --------------------------------------------------------------------- mse -- */

static void mse_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, POINTWISE_MSE);
}

static void mse_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, POINTWISE_MSE);
}

static void mse_forward(tern_call *call) { forward(call, mse_forward_tile, POINTWISE_MSE); }
static void mse_backward(tern_call *call) { backward(call, mse_backward_tile); }

const tern_impl TERN_LEVEL(tern_mse_cpu) = {
    .op = "mse", .backend = "cpu", .provider = "hand",
    .forward = mse_forward, .backward = mse_backward, .forward_workspace = forward_workspace,
};

/* ---------------------------------------------------------------------- l1 -- */

static void l1_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, POINTWISE_L1);
}

static void l1_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, POINTWISE_L1);
}

static void l1_forward(tern_call *call) { forward(call, l1_forward_tile, POINTWISE_L1); }
static void l1_backward(tern_call *call) { backward(call, l1_backward_tile); }

const tern_impl TERN_LEVEL(tern_l1_cpu) = {
    .op = "l1", .backend = "cpu", .provider = "hand",
    .forward = l1_forward, .backward = l1_backward, .forward_workspace = forward_workspace,
};

/* ------------------------------------------------------------------- huber -- */

static void huber_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, POINTWISE_HUBER);
}

static void huber_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, POINTWISE_HUBER);
}

static void huber_forward(tern_call *call) { forward(call, huber_forward_tile, POINTWISE_HUBER); }
static void huber_backward(tern_call *call) { backward(call, huber_backward_tile); }

const tern_impl TERN_LEVEL(tern_huber_cpu) = {
    .op = "huber", .backend = "cpu", .provider = "hand",
    .forward = huber_forward, .backward = huber_backward, .forward_workspace = forward_workspace,
};

/* --------------------------------------------------------- bce_with_logits -- */

static void bce_forward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    forward_tile(task, tile, POINTWISE_BCE);
}

static void bce_backward_tile(void *task, int64_t tile, int worker)
{
    (void)worker;
    backward_tile(task, tile, POINTWISE_BCE);
}

static void bce_forward(tern_call *call) { forward(call, bce_forward_tile, POINTWISE_BCE); }
static void bce_backward(tern_call *call) { backward(call, bce_backward_tile); }

const tern_impl TERN_LEVEL(tern_bce_with_logits_cpu) = {
    .op = "bce_with_logits", .backend = "cpu", .provider = "hand",
    .forward = bce_forward, .backward = bce_backward, .forward_workspace = forward_workspace,
};
