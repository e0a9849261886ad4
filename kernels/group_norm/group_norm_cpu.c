/* group_norm on cpu.  The channels of a row stand side by side in memory, so every pass
 * runs along rows and keeps what it needs channel by channel:
 *
 *   sample 0   block 0   rows 0 ..   -> partial[0], sums of each channel  [C] or [2,C]
 *              block 1   rows ..     -> partial[1]
 *   sample 1   block 0   ..          -> partial[2]
 *
 * A block's size depends on the shape alone; a sample's blocks are added up in their
 * order, then the channels of each group, and what results is written back once for
 * each channel.  A sample of one block goes through all passes while it is in cache.
 *
 * Forward: means; variances about them; y.  Backward: sums of dy and dy * k for each
 * channel, k = (x - mean) * rstd; then dx. */
#include "kernels/group_norm/group_norm.h"

#include "core/simd.h"
#include "core/threads.h"

#include <math.h>

enum { BLOCK_ELEMENTS = 8192 };

typedef struct group_norm_task {
    tern_group_extents e;
    int64_t block_rows, blocks; /* blocks of a sample */
    double eps;
    const float *x, *gain, *bias, *grad_y;
    float *y, *grad_x;             /* of forward, of backward; grad_x may be NULL   */
    bool accumulate_x;
    float *saved_mean, *saved_rstd; /* NULL in inference                             */
    float *partial;                /* [samples * blocks, 2, C]                      */
    float *mean, *rstd;            /* [samples, C]: the group's, for each channel   */
    float *sum_dy, *sum_dyk;       /* [samples, C]                                  */
    float *mean_h, *mean_hk;       /* [samples, C]: the group's, of h = dy * gain   */
} group_norm_task;

static void cut_rows(group_norm_task *task)
{
    int64_t channels = task->e.channels > 0 ? task->e.channels : 1;
    task->block_rows = channels < BLOCK_ELEMENTS ? BLOCK_ELEMENTS / channels : 1;
    task->blocks = (task->e.rows + task->block_rows - 1) / task->block_rows;
}

static int64_t workspace_floats(const group_norm_task *task)
{
    return task->e.channels * task->e.samples * (2 * task->blocks + 6);
}

static size_t workspace(const tern_call *call)
{
    group_norm_task task = { .e = tern_group_norm_extents(call) };
    cut_rows(&task);
    return (size_t)workspace_floats(&task) * sizeof(float);
}

static group_norm_task task_of(const tern_call *call)
{
    const tern_group_norm_opts *opts = call->options;
    group_norm_task task = { .e = tern_group_norm_extents(call), .eps = opts->eps,
                             .x = call->in[0]->data,
                             .gain = call->in[1] ? call->in[1]->data : NULL,
                             .bias = call->in[2] ? call->in[2]->data : NULL,
                             .saved_mean = call->saved[0] ? call->saved[0]->data : NULL,
                             .saved_rstd = call->saved[1] ? call->saved[1]->data : NULL,
                             .partial = call->workspace };
    cut_rows(&task);
    int64_t each = task.e.samples * task.e.channels;
    task.mean = task.partial + 2 * task.blocks * each;
    task.rstd = task.mean + each;
    task.sum_dy = task.rstd + each;
    task.sum_dyk = task.sum_dy + each;
    task.mean_h = task.sum_dyk + each;
    task.mean_hk = task.mean_h + each;
    return task;
}

/* The rows of a block as a range of rows of the whole tensor. */
static void rows_of(const group_norm_task *task, int64_t tile, int64_t *first, int64_t *end)
{
    int64_t n = tile / task->blocks, block = tile % task->blocks;
    int64_t last = (block + 1) * task->block_rows;
    *first = n * task->e.rows + block * task->block_rows;
    *end = n * task->e.rows + (last < task->e.rows ? last : task->e.rows);
}

static float *partial_of(const group_norm_task *task, int64_t tile)
{
    return task->partial + 2 * task->e.channels * tile;
}

/* Sum over a sample's blocks and a group's channels of the partial sums. */
static double group_sum(const group_norm_task *task, int64_t n, int64_t g)
{
    double sum = 0;
    for (int64_t block = 0; block < task->blocks; block++) {
        const float *sums = partial_of(task, n * task->blocks + block) + g * task->e.width;
        for (int64_t i = 0; i < task->e.width; i++)
            sum += sums[i];
    }
    return sum;
}

static void spread(float *channels, int64_t count, float value)
{
    for (int64_t i = 0; i < count; i++)
        channels[i] = value;
}

/* -------------------------------------------------------------- forward -- */

static void sum_block(const group_norm_task *task, int64_t tile)
{
    int64_t channels = task->e.channels, first, end;
    float *restrict sums = partial_of(task, tile);
    rows_of(task, tile, &first, &end);
    spread(sums, channels, 0);
    for (int64_t r = first; r < end; r++) {
        const float *restrict x = task->x + r * channels;
        for (int64_t c = 0; c < channels; c++)
            sums[c] += x[c];
    }
}

static void find_means(const group_norm_task *task, int64_t n)
{
    const tern_group_extents *e = &task->e;
    double count = (double)(e->rows * e->width);
    for (int64_t g = 0; g < e->groups; g++) {
        float mean = (float)(group_sum(task, n, g) / count);
        spread(task->mean + n * e->channels + g * e->width, e->width, mean);
        if (task->saved_mean)
            task->saved_mean[n * e->groups + g] = mean;
    }
}

static void sum_squares_of_block(const group_norm_task *task, int64_t tile)
{
    int64_t channels = task->e.channels, first, end;
    float *restrict sums = partial_of(task, tile);
    const float *restrict mean = task->mean + tile / task->blocks * channels;
    rows_of(task, tile, &first, &end);
    spread(sums, channels, 0);
    for (int64_t r = first; r < end; r++) {
        const float *restrict x = task->x + r * channels;
        for (int64_t c = 0; c < channels; c++)
            sums[c] += (x[c] - mean[c]) * (x[c] - mean[c]);
    }
}

static void find_rstds(const group_norm_task *task, int64_t n)
{
    const tern_group_extents *e = &task->e;
    double count = (double)(e->rows * e->width);
    for (int64_t g = 0; g < e->groups; g++) {
        float rstd = (float)(1 / sqrt(group_sum(task, n, g) / count + task->eps));
        spread(task->rstd + n * e->channels + g * e->width, e->width, rstd);
        if (task->saved_rstd)
            task->saved_rstd[n * e->groups + g] = rstd;
    }
}

static void write_block(const group_norm_task *task, int64_t tile)
{
    int64_t channels = task->e.channels, first, end;
    const float *restrict mean = task->mean + tile / task->blocks * channels;
    const float *restrict rstd = task->rstd + tile / task->blocks * channels;
    const float *gain = task->gain, *bias = task->bias;
    rows_of(task, tile, &first, &end);
    for (int64_t r = first; r < end; r++) {
        const float *restrict x = task->x + r * channels;
        float *restrict y = task->y + r * channels;
        for (int64_t c = 0; c < channels; c++)
            y[c] = (x[c] - mean[c]) * rstd[c];
        for (int64_t c = 0; gain && c < channels; c++)
            y[c] *= gain[c];
        for (int64_t c = 0; bias && c < channels; c++)
            y[c] += bias[c];
    }
}

/* ------------------------------------------------------------- backward -- */

static void spread_saved(const group_norm_task *task, int64_t n)
{
    const tern_group_extents *e = &task->e;
    for (int64_t g = 0; g < e->groups; g++) {
        int64_t at = n * e->channels + g * e->width;
        spread(task->mean + at, e->width, task->saved_mean[n * e->groups + g]);
        spread(task->rstd + at, e->width, task->saved_rstd[n * e->groups + g]);
    }
}

static void sum_gradients_of_block(const group_norm_task *task, int64_t tile)
{
    int64_t channels = task->e.channels, first, end;
    float *restrict dy = partial_of(task, tile), *restrict dyk = dy + channels;
    const float *restrict mean = task->mean + tile / task->blocks * channels;
    const float *restrict rstd = task->rstd + tile / task->blocks * channels;
    rows_of(task, tile, &first, &end);
    spread(dy, 2 * channels, 0);
    for (int64_t r = first; r < end; r++) {
        const float *restrict x = task->x + r * channels;
        const float *restrict grad = task->grad_y + r * channels;
        for (int64_t c = 0; c < channels; c++) {
            dy[c] += grad[c];
            dyk[c] += grad[c] * ((x[c] - mean[c]) * rstd[c]);
        }
    }
}

static void find_gradient_means(const group_norm_task *task, int64_t n)
{
    const tern_group_extents *e = &task->e;
    int64_t channels = e->channels;
    float *restrict dy = task->sum_dy + n * channels, *restrict dyk = task->sum_dyk + n * channels;
    spread(dy, channels, 0);
    spread(dyk, channels, 0);
    for (int64_t block = 0; block < task->blocks; block++) {
        const float *restrict sums = partial_of(task, n * task->blocks + block);
        for (int64_t c = 0; c < channels; c++) {
            dy[c] += sums[c];
            dyk[c] += sums[channels + c];
        }
    }
    for (int64_t g = 0; g < e->groups; g++) {
        double h = 0, hk = 0, count = (double)(e->rows * e->width);
        for (int64_t c = g * e->width; c < (g + 1) * e->width; c++) {
            h += (task->gain ? task->gain[c] : 1) * dy[c];
            hk += (task->gain ? task->gain[c] : 1) * dyk[c];
        }
        if (count == 1) /* its own mean: no gradient, not even of rounding */
            spread(task->rstd + n * channels + g, 1, 0);
        spread(task->mean_h + n * channels + g * e->width, e->width, (float)(h / count));
        spread(task->mean_hk + n * channels + g * e->width, e->width, (float)(hk / count));
    }
}

/* dx = rstd * (h - mean(h) - k * mean(h * k)) */
static void write_gradient_of_block(const group_norm_task *task, int64_t tile)
{
    int64_t channels = task->e.channels, at = tile / task->blocks * channels, first, end;
    const float *restrict mean = task->mean + at, *restrict rstd = task->rstd + at;
    const float *restrict mean_h = task->mean_h + at, *restrict mean_hk = task->mean_hk + at;
    rows_of(task, tile, &first, &end);
    for (int64_t r = first; r < end && task->grad_x; r++) {
        const float *restrict x = task->x + r * channels;
        const float *restrict grad = task->grad_y + r * channels;
        float *restrict grad_x = task->grad_x + r * channels;
        for (int64_t c = 0; c < channels; c++) {
            float h = grad[c] * (task->gain ? task->gain[c] : 1);
            float k = (x[c] - mean[c]) * rstd[c];
            grad_x[c] = (task->accumulate_x ? grad_x[c] : 0) +
                        rstd[c] * (h - mean_h[c] - k * mean_hk[c]);
        }
    }
}

/* grad (+)= sum over samples */
static void merge(const group_norm_task *task, const float *sums, tern_tensor *grad, bool accumulate)
{
    int64_t channels = task->e.channels;
    if (!grad)
        return;
    float *restrict to = grad->data;
    if (!accumulate)
        spread(to, channels, 0);
    for (int64_t n = 0; n < task->e.samples; n++)
        for (int64_t c = 0; c < channels; c++)
            to[c] += sums[n * channels + c];
}

/* --------------------------------------------------------------- passes -- */

typedef struct pass {
    void (*run)(const group_norm_task *task, int64_t tile);
    bool of_samples; /* a tile is a sample, else a block */
} pass;

static const pass forward_passes[] = {
    { sum_block, false }, { find_means, true }, { sum_squares_of_block, false },
    { find_rstds, true }, { write_block, false }, { NULL, false },
};

static const pass backward_passes[] = {
    { spread_saved, true }, { sum_gradients_of_block, false }, { find_gradient_means, true },
    { write_gradient_of_block, false }, { NULL, false },
};

typedef struct pass_job {
    const group_norm_task *task;
    const pass *passes;
} pass_job;

static void run_tile(void *argument, int64_t tile, int worker)
{
    const pass_job *job = argument;
    (void)worker;
    job->passes->run(job->task, tile);
}

/* All passes of a sample that is no more than one block. */
static void run_sample(void *argument, int64_t n, int worker)
{
    const pass_job *job = argument;
    (void)worker;
    for (const pass *each = job->passes; each->run; each++)
        if (each->of_samples || job->task->blocks == 1)
            each->run(job->task, n);
}

static void run_passes(const tern_call *call, const group_norm_task *task, const pass *passes)
{
    pass_job job = { task, passes };
    tern_pool *pool = tern_ctx_pool(call->ctx);
    if (task->blocks <= 1) {
        tern_parallel(pool, task->e.samples, run_sample, &job);
        return;
    }
    for (; job.passes->run; job.passes++)
        tern_parallel(pool, task->e.samples * (job.passes->of_samples ? 1 : task->blocks),
                      run_tile, &job);
}

static void group_norm_forward(tern_call *call)
{
    group_norm_task task = task_of(call);
    task.y = call->out[0]->data;
    run_passes(call, &task, forward_passes);
}

static void group_norm_backward(tern_call *call)
{
    group_norm_task task = task_of(call);
    task.grad_y = call->grad_out[0]->data;
    task.grad_x = call->grad_in[0] ? call->grad_in[0]->data : NULL;
    task.accumulate_x = call->accumulate[0];
    run_passes(call, &task, backward_passes);
    merge(&task, task.sum_dyk, call->grad_in[1], call->accumulate[1]);
    merge(&task, task.sum_dy, call->grad_in[2], call->accumulate[2]);
}

const tern_impl TERN_LEVEL(tern_group_norm_cpu) = {
    .op = "group_norm", .backend = "cpu", .provider = "hand",
    .forward = group_norm_forward, .backward = group_norm_backward,
    .forward_workspace = workspace, .backward_workspace = workspace,
};
