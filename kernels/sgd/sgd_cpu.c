/* sgd on cpu: one pass over the blocks, which waits for memory. */
#include "kernels/sgd/sgd.h"

#include "core/simd.h"
#include "core/threads.h"

enum { TILE = 4096 };

typedef struct sgd_job {
    float *value, *velocity; /* velocity is NULL without momentum */
    const float *grad;
    int64_t count;
    float lr, momentum, weight_decay, scale;
    bool nesterov;
} sgd_job;

static inline void update(const sgd_job *job, int64_t i, int64_t n)
{
    tern_vf value = tern_load_part(job->value + i, n);
    tern_vf g = tern_load_part(job->grad + i, n) * job->scale + value * job->weight_decay;
    tern_vf step = g;
    if (job->velocity) {
        tern_vf velocity = tern_load_part(job->velocity + i, n) * job->momentum + g;
        tern_store_part(job->velocity + i, velocity, n);
        step = job->nesterov ? g + velocity * job->momentum : velocity;
    }
    tern_store_part(job->value + i, value - step * job->lr, n);
}

static void update_tile(void *argument, int64_t tile, int worker)
{
    const sgd_job *job = argument;
    int64_t end = (tile + 1) * TILE < job->count ? (tile + 1) * TILE : job->count;

    (void)worker;
    for (int64_t i = tile * TILE; i < end; i += TERN_LANES)
        update(job, i, end - i);
}

static void sgd_forward(tern_call *call)
{
    const tern_sgd_opts *opts = call->options;
    sgd_job job = {
        .value = call->in[SGD_VALUE]->data,
        .velocity = opts->momentum != 0 ? call->in[SGD_VELOCITY]->data : NULL,
        .grad = call->in[SGD_GRAD]->data,
        .count = call->in[SGD_VALUE]->count,
        .lr = (float)opts->lr, .momentum = (float)opts->momentum,
        .weight_decay = (float)opts->weight_decay, .nesterov = opts->nesterov,
        .scale = call->in[SGD_SCALE] ? *(const float *)call->in[SGD_SCALE]->data : 1,
    };
    tern_parallel(tern_ctx_pool(call->ctx), (job.count + TILE - 1) / TILE, update_tile, &job);
}

const tern_impl TERN_LEVEL(tern_sgd_cpu) = {
    .op = "sgd", .backend = "cpu", .provider = "hand",
    .forward = sgd_forward,
};
