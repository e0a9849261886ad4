/* cross_entropy on cpu: tiles of rows in vectors.
 *
 * Every row leaves its weighted term and its weight in the workspace, in float64;
 * one thread adds them up in the order of the rows.  With z = logits - maximum and
 * L = log(sum exp z), so that -log p[c] = L - z[c], a row's term is
 *   hard * (L - z[t]) + soft * (L * sum(class_weight) - sum(class_weight * z))
 * where hard = (1-e) * class_weight[t] and soft = e/C. */
#include "kernels/cross_entropy/cross_entropy.h"

#include "core/threads.h"
#include "core/vmath.h"

#include <math.h>

enum { TILE_ELEMENTS = 4096 };

typedef struct row_share {
    double term, weight;
} row_share;

typedef struct cross_entropy_task {
    const float *logits, *class_weight, *row_weight;
    const int32_t *target;
    int64_t rows, classes, rows_per_tile;
    float hard, soft;         /* 1-e and e/C                                 */
    float class_weight_sum;
    row_share *shares;        /* forward                                     */
    float *row_max, *inverse_sum; /* written by forward unless NULL, read by backward */
    float *grad, scale;       /* backward: gradient of the loss over the sum of weights */
    bool accumulate;
} cross_entropy_task;

static cross_entropy_task task_of(const tern_call *call)
{
    const tern_cross_entropy_opts *opts = call->options;
    int64_t classes = call->in[0]->shape[1];
    cross_entropy_task task = {
        .logits = call->in[0]->data, .target = call->in[1]->data,
        .class_weight = call->in[2] ? call->in[2]->data : NULL,
        .row_weight = call->in[3] ? call->in[3]->data : NULL,
        .rows = call->in[0]->shape[0], .classes = classes,
        .rows_per_tile = (TILE_ELEMENTS + classes - 1) / classes,
        .hard = (float)(1 - opts->label_smoothing),
        .soft = (float)(opts->label_smoothing / (double)classes),
        .row_max = call->saved[0] ? call->saved[0]->data : NULL,
        .inverse_sum = call->saved[1] ? call->saved[1]->data : NULL,
    };
    double sum = 0;
    for (int64_t c = 0; c < classes; c++)
        sum += task.class_weight ? task.class_weight[c] : 1;
    task.class_weight_sum = (float)sum;
    return task;
}

static int64_t tile_count(const cross_entropy_task *task)
{
    return (task->rows + task->rows_per_tile - 1) / task->rows_per_tile;
}

static int64_t tile_end(const cross_entropy_task *task, int64_t tile)
{
    int64_t end = (tile + 1) * task->rows_per_tile;
    return end < task->rows ? end : task->rows;
}

static float row_maximum(const float *x, int64_t width)
{
    tern_vf largest = tern_splat(-INFINITY);
    for (int64_t i = 0; i < width; i += TERN_LANES)
        largest = tern_vmax(tern_load_part_or(x + i, width - i, -INFINITY), largest);
    return tern_hmax(largest);
}

static float exponential_sum(const float *x, int64_t width, float shift)
{
    tern_vf sum = { 0 };
    for (int64_t i = 0; i < width; i += TERN_LANES)
        sum += tern_vexp(tern_load_part_or(x + i, width - i, -INFINITY) - shift);
    return tern_hsum(sum);
}

/* sum of class_weight * (x - shift) */
static float weighted_sum(const float *x, const float *weight, int64_t width, float shift)
{
    tern_vf sum = { 0 };
    for (int64_t i = 0; i < width; i += TERN_LANES) {
        int64_t n = width - i;
        tern_vf z = tern_load_part_or(x + i, n, shift) - shift;
        sum += weight ? tern_load_part_or(weight + i, n, 0) * z : z;
    }
    return tern_hsum(sum);
}

static row_share forward_row(const cross_entropy_task *task, int64_t i)
{
    const float *x = task->logits + i * task->classes;
    float row_weight = task->row_weight ? task->row_weight[i] : 1;
    if (row_weight == 0)
        return (row_share){ 0, 0 };

    int32_t target = task->target[i];
    float class_weight = task->class_weight ? task->class_weight[target] : 1;
    float shift = row_maximum(x, task->classes);
    float sum = exponential_sum(x, task->classes, shift), log_sum = tern_logf(sum);
    double term = 0;
    if (task->hard * class_weight != 0)
        term += task->hard * class_weight * (log_sum - (x[target] - shift));
    if (task->soft != 0)
        term += task->soft * (log_sum * task->class_weight_sum -
                              weighted_sum(x, task->class_weight, task->classes, shift));
    if (task->row_max) {
        task->row_max[i] = shift;
        task->inverse_sum[i] = 1 / sum;
    }
    return (row_share){ row_weight * term, (double)row_weight * class_weight };
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const cross_entropy_task *task = argument;
    (void)worker;
    for (int64_t i = tile * task->rows_per_tile; i < tile_end(task, tile); i++)
        task->shares[i] = forward_row(task, i);
}

static size_t forward_workspace(const tern_call *call)
{
    return (size_t)call->in[0]->shape[0] * sizeof(row_share);
}

static void cross_entropy_forward(tern_call *call)
{
    cross_entropy_task task = task_of(call);
    double sum = 0, weight_sum = 0;
    if (!tern_cross_entropy_targets_fit(call))
        return;
    task.shares = call->workspace;
    tern_parallel(tern_ctx_pool(call->ctx), tile_count(&task), forward_tile, &task);
    for (int64_t i = 0; i < task.rows; i++) {
        sum += task.shares[i].term;
        weight_sum += task.shares[i].weight;
    }
    *(float *)call->out[0]->data = weight_sum != 0 ? (float)(sum / weight_sum) : 0;
    if (call->saved[2])
        *(float *)call->saved[2]->data = (float)weight_sum;
}

/* d term / d x[k] = p[k] * (hard + soft * sum(class_weight)) - soft * class_weight[k],
 * and - hard at the target. */
static void backward_row(const cross_entropy_task *task, int64_t i)
{
    const float *x = task->logits + i * task->classes;
    float *grad = task->grad + i * task->classes;
    float scale = task->scale * (task->row_weight ? task->row_weight[i] : 1);
    if (scale == 0) {
        if (!task->accumulate)
            memset(grad, 0, (size_t)task->classes * sizeof *grad);
        return;
    }
    int32_t target = task->target[i];
    float hard = task->hard * (task->class_weight ? task->class_weight[target] : 1);
    float factor = scale * (hard + task->soft * task->class_weight_sum) * task->inverse_sum[i];
    float soft = scale * task->soft;
    for (int64_t k = 0; k < task->classes; k += TERN_LANES) {
        int64_t n = task->classes - k;
        tern_vf value = tern_vexp(tern_load_part_or(x + k, n, 0) - task->row_max[i]) * factor;
        value -= soft * (task->class_weight ? tern_load_part_or(task->class_weight + k, n, 0)
                                            : tern_splat(1.0f));
        if (task->accumulate)
            value += tern_load_part_or(grad + k, n, 0);
        tern_store_part(grad + k, value, n);
    }
    grad[target] -= scale * hard;
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const cross_entropy_task *task = argument;
    (void)worker;
    for (int64_t i = tile * task->rows_per_tile; i < tile_end(task, tile); i++)
        backward_row(task, i);
}

static void cross_entropy_backward(tern_call *call)
{
    cross_entropy_task task = task_of(call);
    float weight_sum = *(const float *)call->saved[2]->data;
    float grad_loss = *(const float *)call->grad_out[0]->data;
    task.scale = weight_sum != 0 ? grad_loss / weight_sum : 0;
    task.grad = call->grad_in[0]->data;
    task.accumulate = call->accumulate[0];
    tern_parallel(tern_ctx_pool(call->ctx), tile_count(&task), backward_tile, &task);
}

const tern_impl TERN_LEVEL(tern_cross_entropy_cpu) = {
    .op = "cross_entropy", .backend = "cpu", .provider = "hand",
    .forward = cross_entropy_forward, .backward = cross_entropy_backward,
    .forward_workspace = forward_workspace,
};
