/* cross_entropy on cpu: tiles of rows in vectors.
 *
 * Every row leaves its weighted term and its weight in the workspace, in float64;
 * one thread adds them up in the order of the rows.  With z = logits - maximum and
 * L = log(sum exp z), so that -log p[c] = L - z[c], the term of a row with class
 * number t is
 *   hard * (L - z[t]) + soft * (L * sum(class_weight) - sum(class_weight * z))
 * where hard = (1-e) * class_weight[t] and soft = e/C, and that of a row with soft
 * targets is the sum of w * (L - z), w = class_weight * ((1-e) * soft_target + e/C). */
#include "kernels/cross_entropy/cross_entropy.h"

#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/softmax/score_row_cpu.h"

enum { TILE_ELEMENTS = 4096 };

typedef struct row_share {
    double term, weight;
} row_share;

typedef struct cross_entropy_task {
    const tern_cross_entropy_opts *opts;
    const float *logits, *class_weight, *row_weight, *soft_target;
    const int32_t *target; /* NULL with soft targets */
    int64_t classes;
    tern_tiles rows;
    float hard, soft;         /* 1-e and e/C                                 */
    float class_weight_sum;
    row_share *shares;        /* forward                                     */
    float *row_max, *inverse_sum; /* written by forward unless NULL, read by backward */
    const float *grad_loss;   /* backward: one, or with reduction none one for each row */
    float divisor;
    float *grad, *grad_soft;  /* NULL where it is not wanted                 */
    bool accumulate, accumulate_soft;
} cross_entropy_task;

static cross_entropy_task task_of(const tern_call *call)
{
    const tern_cross_entropy_opts *opts = call->options;
    int64_t classes = call->in[CE_LOGITS]->shape[1];
    cross_entropy_task task = {
        .opts = opts, .logits = tern_in_values(call, CE_LOGITS),
        .target = tern_in_values(call, CE_TARGET),
        .soft_target = tern_in_values(call, CE_SOFT_TARGET),
        .class_weight = tern_in_values(call, CE_CLASS_WEIGHT),
        .row_weight = tern_in_values(call, CE_ROW_WEIGHT),
        .classes = classes,
        .rows = tern_tiles_of_rows(call->in[CE_LOGITS]->shape[0], classes, TILE_ELEMENTS, 1),
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

static float row_weight_of(const cross_entropy_task *task, int64_t i)
{
    if (task->opts->has_ignore_index && task->target[i] == task->opts->ignore_index)
        return 0;
    return task->row_weight ? task->row_weight[i] : 1;
}

/* -------------------------------------------------------------- forward -- */

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

static double number_term(const cross_entropy_task *task, const float *x, int32_t target,
                          float shift, float log_sum)
{
    float class_weight = task->class_weight ? task->class_weight[target] : 1;
    double term = 0;
    if (task->hard * class_weight != 0)
        term += task->hard * class_weight * (log_sum - (x[target] - shift));
    if (task->soft != 0)
        term += task->soft * (log_sum * task->class_weight_sum -
                              weighted_sum(x, task->class_weight, task->classes, shift));
    return term;
}

/* w of classes c to c + n - 1 of row i; 0 in lanes beyond. */
static inline tern_vf soft_weight(const cross_entropy_task *task, int64_t i, int64_t c, int64_t n)
{
    static const float ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    tern_vf share = tern_load_part(task->soft_target + i * task->classes + c, n);
    return (share * task->hard + task->soft) *
           tern_load_part(task->class_weight ? task->class_weight + c : ones, n);
}

static double soft_term(const cross_entropy_task *task, int64_t i, float shift, float log_sum)
{
    const float *x = task->logits + i * task->classes;
    tern_vf sum = { 0 };
    for (int64_t c = 0; c < task->classes; c += TERN_LANES) {
        int64_t n = task->classes - c;
        tern_vf weight = soft_weight(task, i, c, n);
        tern_vf surprise = log_sum - (tern_load_part_or(x + c, n, shift) - shift);
        /* A class ruled out by -inf does not matter where it has no share. */
        sum += tern_select(weight == 0, (tern_vf){ 0 }, weight * surprise);
    }
    return tern_hsum(sum);
}

static row_share forward_row(const cross_entropy_task *task, int64_t i)
{
    const float *x = task->logits + i * task->classes;
    float row_weight = row_weight_of(task, i);
    if (row_weight == 0)
        return (row_share){ 0, 0 };

    float shift = tern_row_maximum(x, NULL, task->classes);
    float sum = tern_row_exponentials(x, NULL, task->classes, shift), log_sum = tern_logf(sum);
    if (task->row_max) {
        task->row_max[i] = shift;
        task->inverse_sum[i] = 1 / sum;
    }
    if (task->soft_target)
        return (row_share){ row_weight * soft_term(task, i, shift, log_sum), row_weight };
    int32_t target = task->target[i];
    float class_weight = task->class_weight ? task->class_weight[target] : 1;
    return (row_share){ row_weight * number_term(task, x, target, shift, log_sum),
                        (double)row_weight * class_weight };
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const cross_entropy_task *task = argument;
    (void)worker;
    for (int64_t i = tern_tile_begin(&task->rows, tile); i < tern_tile_end(&task->rows, tile); i++)
        task->shares[i] = forward_row(task, i);
}

static size_t forward_workspace(const tern_call *call)
{
    return (size_t)call->in[CE_LOGITS]->shape[0] * sizeof(row_share);
}

static void cross_entropy_forward(tern_call *call)
{
    cross_entropy_task task = task_of(call);
    float *loss = call->out[0]->data;
    double sum = 0, divisor = 0;
    if (!tern_cross_entropy_targets_fit(call))
        return;
    task.shares = call->workspace;
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, forward_tile, &task);
    for (int64_t i = 0; i < task.rows.items; i++) {
        if (task.opts->reduction == TERN_REDUCE_NONE)
            loss[i] = (float)task.shares[i].term;
        sum += task.shares[i].term;
        divisor += task.shares[i].weight;
    }
    if (task.opts->reduction != TERN_REDUCE_MEAN)
        divisor = 1;
    if (task.opts->reduction != TERN_REDUCE_NONE)
        *loss = divisor != 0 ? (float)(sum / divisor) : 0;
    if (call->saved[2])
        *(float *)call->saved[2]->data = (float)divisor;
}

/* ------------------------------------------------------------- backward -- */

/* d term / d x[k] = p[k] * (hard + soft * sum(class_weight)) - soft * class_weight[k],
 * and - hard at the target. */
static void backward_number_row(const cross_entropy_task *task, int64_t i, float scale)
{
    const float *x = task->logits + i * task->classes;
    float *grad = task->grad + i * task->classes;
    int32_t target = task->target[i];
    float hard = task->hard * (task->class_weight ? task->class_weight[target] : 1);
    float factor = scale * (hard + task->soft * task->class_weight_sum) * task->inverse_sum[i];
    float soft = scale * task->soft;
    for (int64_t k = 0; k < task->classes; k += TERN_LANES) {
        int64_t n = task->classes - k;
        tern_vf value = tern_vexp(tern_load_part_or(x + k, n, 0) - task->row_max[i]) * factor;
        value -= soft * (task->class_weight ? tern_load_part_or(task->class_weight + k, n, 0)
                                            : tern_splat(1.0f));
        tern_store_grad(grad + k, value, n, task->accumulate);
    }
    grad[target] -= scale * hard;
}

static float soft_weight_sum(const cross_entropy_task *task, int64_t i)
{
    tern_vf sum = { 0 };
    for (int64_t c = 0; c < task->classes; c += TERN_LANES)
        sum += soft_weight(task, i, c, task->classes - c);
    return tern_hsum(sum);
}

/* d term / d x[k] = p[k] * sum(w) - w[k] */
static void backward_soft_row(const cross_entropy_task *task, int64_t i, float scale)
{
    const float *x = task->logits + i * task->classes;
    float *grad = task->grad + i * task->classes;
    float factor = soft_weight_sum(task, i) * task->inverse_sum[i];
    for (int64_t k = 0; k < task->classes; k += TERN_LANES) {
        int64_t n = task->classes - k;
        tern_vf value = tern_vexp(tern_load_part(x + k, n) - task->row_max[i]) * factor;
        value = (value - soft_weight(task, i, k, n)) * scale;
        tern_store_grad(grad + k, value, n, task->accumulate);
    }
}

/* d term / d soft_target[k] = (1-e) * class_weight[k] * (L - z[k]) */
static void backward_to_soft_target(const cross_entropy_task *task, int64_t i, float scale)
{
    const float *x = task->logits + i * task->classes;
    float *grad = task->grad_soft + i * task->classes;
    float log_sum = -tern_logf(task->inverse_sum[i]);
    for (int64_t k = 0; k < task->classes; k += TERN_LANES) {
        int64_t n = task->classes - k;
        tern_vf value = log_sum - (tern_load_part(x + k, n) - task->row_max[i]);
        value *= scale * task->hard;
        if (task->class_weight)
            value *= tern_load_part(task->class_weight + k, n);
        tern_store_grad(grad + k, value, n, task->accumulate_soft);
    }
}

static void backward_row(const cross_entropy_task *task, int64_t i)
{
    size_t bytes = (size_t)task->classes * sizeof(float);
    bool none = task->opts->reduction == TERN_REDUCE_NONE;
    float scale = task->divisor != 0 ? task->grad_loss[none ? i : 0] / task->divisor : 0;
    scale *= row_weight_of(task, i);
    if (scale == 0) {
        if (task->grad && !task->accumulate)
            memset(task->grad + i * task->classes, 0, bytes);
        if (task->grad_soft && !task->accumulate_soft)
            memset(task->grad_soft + i * task->classes, 0, bytes);
        return;
    }
    if (task->grad && task->soft_target)
        backward_soft_row(task, i, scale);
    else if (task->grad)
        backward_number_row(task, i, scale);
    if (task->grad_soft)
        backward_to_soft_target(task, i, scale);
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const cross_entropy_task *task = argument;
    (void)worker;
    for (int64_t i = tern_tile_begin(&task->rows, tile); i < tern_tile_end(&task->rows, tile); i++)
        backward_row(task, i);
}

static void cross_entropy_backward(tern_call *call)
{
    cross_entropy_task task = task_of(call);
    const tern_tensor *grad = call->grad_in[CE_LOGITS], *grad_soft = call->grad_in[CE_SOFT_TARGET];
    task.divisor = *(const float *)call->saved[2]->data;
    task.grad_loss = call->grad_out[0]->data;
    task.grad = grad ? grad->data : NULL;
    task.grad_soft = grad_soft ? grad_soft->data : NULL;
    task.accumulate = call->accumulate[CE_LOGITS];
    task.accumulate_soft = call->accumulate[CE_SOFT_TARGET];
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, backward_tile, &task);
}

const tern_impl TERN_LEVEL(tern_cross_entropy_cpu) = {
    .op = "cross_entropy", .backend = "cpu", .provider = "hand",
    .forward = cross_entropy_forward, .backward = cross_entropy_backward,
    .forward_workspace = forward_workspace,
};
