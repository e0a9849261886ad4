/* focal on cpu: tiles of rows in vectors; what there is one of in a row is computed in
 * float64.  Every row leaves its term in the workspace, and one thread adds them up in
 * the order of the rows. */
#include "kernels/losses/focal.h"

#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/softmax/score_row_cpu.h"

enum { TILE_ELEMENTS = 4096 };

typedef struct focal_task {
    const float *logits, *class_weight, *row_weight;
    const int32_t *target;
    int64_t classes;
    tern_tiles rows;
    double gamma;
    double *terms;                        /* forward                              */
    float *row_max, *inverse_sum, *slope; /* NULL in inference                    */
    const float *grad_loss;               /* backward: one, or one for each row   */
    bool one_grad, accumulate;
    float divisor, *grad;
} focal_task;

static focal_task task_of(const tern_call *call)
{
    const tern_focal_opts *opts = call->options;
    int64_t classes = call->in[0]->shape[1];
    bool saves = call->saved[0] != NULL;
    return (focal_task){
        .logits = call->in[0]->data, .target = call->in[1]->data,
        .class_weight = call->in[2] ? call->in[2]->data : NULL,
        .row_weight = call->in[3] ? call->in[3]->data : NULL,
        .classes = classes, .gamma = opts->gamma,
        .rows = tern_tiles_of_rows(call->in[0]->shape[0], classes, TILE_ELEMENTS, 1),
        .row_max = saves ? call->saved[0]->data : NULL,
        .inverse_sum = saves ? call->saved[1]->data : NULL,
        .slope = saves ? call->saved[2]->data : NULL,
        .one_grad = opts->reduction != TERN_REDUCE_NONE,
    };
}

/* Sum of exp(x - largest) over the classes that are not the target: 1 - p by itself would
 * lose the digits of what is left of 1. */
static double others_of(const focal_task *task, const float *x, int64_t target, float largest)
{
    int64_t behind = task->classes - target - 1;
    return (double)tern_row_exponentials(x, NULL, target, largest) +
           tern_row_exponentials(x + target + 1, NULL, behind, largest);
}

static double forward_row(const focal_task *task, int64_t i)
{
    const float *x = task->logits + i * task->classes;
    int64_t target = task->target[i];
    double weight = task->row_weight ? task->row_weight[i] : 1, slope;
    if (weight == 0)
        return 0;
    if (task->class_weight)
        weight *= task->class_weight[target];

    float largest = tern_row_maximum(x, NULL, task->classes);
    double others = others_of(task, x, target, largest);
    double shifted = (double)x[target] - largest, sum = others + exp(shifted);
    double log_p = shifted == 0 ? -log1p(others) : shifted - log(sum);
    double term = tern_focal_term(log_p, others / sum, task->gamma, &slope);
    if (task->row_max) {
        task->row_max[i] = largest;
        task->inverse_sum[i] = (float)(1 / sum);
        task->slope[i] = (float)(weight * slope);
    }
    return weight * term;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const focal_task *task = argument;
    (void)worker;
    for (int64_t i = tern_tile_begin(&task->rows, tile); i < tern_tile_end(&task->rows, tile); i++)
        task->terms[i] = forward_row(task, i);
}

static size_t forward_workspace(const tern_call *call)
{
    return (size_t)call->in[0]->shape[0] * sizeof(double);
}

static void focal_forward(tern_call *call)
{
    const tern_focal_opts *opts = call->options;
    focal_task task = task_of(call);
    float *loss = call->out[0]->data;
    double sum = 0, divisor = 0;
    if (!tern_focal_targets_fit(call))
        return;
    task.terms = call->workspace;
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, forward_tile, &task);
    for (int64_t i = 0; i < task.rows.items; i++) {
        if (opts->reduction == TERN_REDUCE_NONE)
            loss[i] = (float)task.terms[i];
        sum += task.terms[i];
        divisor += task.row_weight ? task.row_weight[i] : 1;
    }
    if (opts->reduction != TERN_REDUCE_MEAN)
        divisor = 1;
    if (opts->reduction != TERN_REDUCE_NONE)
        *loss = divisor != 0 ? (float)(sum / divisor) : 0;
    if (call->saved[3])
        *(float *)call->saved[3]->data = (float)divisor;
}

/* d term / d x[k] = slope * ((1 at the target) - p[k]).  At the target that is slope
 * times the others' share, the sum of theirs with the other sign, so that it is right
 * where p rounds to 1. */
static void backward_row(const focal_task *task, int64_t i)
{
    const float *x = task->logits + i * task->classes;
    float *grad = task->grad + i * task->classes;
    int64_t target = task->target[i];
    float row_weight = task->row_weight ? task->row_weight[i] : 1;
    if (task->divisor == 0 || row_weight == 0) {
        if (!task->accumulate)
            memset(grad, 0, (size_t)task->classes * sizeof *grad);
        return;
    }
    float scale = task->grad_loss[task->one_grad ? 0 : i] / task->divisor * task->slope[i];
    float factor = -scale * task->inverse_sum[i], largest = task->row_max[i];
    float others = (float)others_of(task, x, target, largest);
    float at_target = (task->accumulate ? grad[target] : 0) - factor * others;
    for (int64_t k = 0; k < task->classes; k += TERN_LANES) {
        int64_t n = task->classes - k;
        tern_vf value = tern_vexp(tern_load_part(x + k, n) - largest) * factor;
        tern_store_grad(grad + k, value, n, task->accumulate);
    }
    grad[target] = at_target;
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const focal_task *task = argument;
    (void)worker;
    for (int64_t i = tern_tile_begin(&task->rows, tile); i < tern_tile_end(&task->rows, tile); i++)
        backward_row(task, i);
}

static void focal_backward(tern_call *call)
{
    focal_task task = task_of(call);
    task.divisor = *(const float *)call->saved[3]->data;
    task.grad_loss = call->grad_out[0]->data;
    task.grad = call->grad_in[0]->data;
    task.accumulate = call->accumulate[0];
    tern_parallel(tern_ctx_pool(call->ctx), task.rows.count, backward_tile, &task);
}

const tern_impl TERN_LEVEL(tern_focal_cpu) = {
    .op = "focal", .backend = "cpu", .provider = "hand",
    .forward = focal_forward, .backward = focal_backward, .forward_workspace = forward_workspace,
};
