/* adam on cpu: as adamw, one pass over the blocks that waits for memory; the loop is
 * left to the compiler's vectoriser, which has the square root that vector types lack. */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/adamw/adam.h"

#include <math.h>

enum { TILE = 4096 };

typedef struct adam_job {
    const tern_call *call;
    float weight_decay, rate1, rate2, beta2, step_size, inverse_root2, eps, scale;
} adam_job;

static void update(const adam_job *job, int64_t count, float *restrict value,
                   const float *restrict grad, float *restrict moment1, float *restrict moment2)
{
    for (int64_t i = 0; i < count; i++) {
        float g = job->scale * grad[i] + job->weight_decay * value[i];
        float first = moment1[i] + job->rate1 * (g - moment1[i]);
        float second = job->beta2 * moment2[i] + job->rate2 * g * g;
        moment1[i] = first;
        moment2[i] = second;
        value[i] -= job->step_size * first / (sqrtf(second) * job->inverse_root2 + job->eps);
    }
}

static void update_tile(void *argument, int64_t tile, int worker)
{
    const adam_job *job = argument;
    tern_tensor *const *in = job->call->in;
    int64_t at = tile * TILE, rest = in[0]->count - at;

    (void)worker;
    update(job, rest < TILE ? rest : TILE, (float *)in[0]->data + at, (const float *)in[1]->data + at,
           (float *)in[2]->data + at, (float *)in[3]->data + at);
}

static void adam_forward(tern_call *call)
{
    const tern_adamw_opts *opts = call->options;
    tern_adamw_factors factors = tern_adamw_prepare(opts);
    adam_job job = {
        .call = call,
        .weight_decay = (float)opts->weight_decay,
        .rate1 = (float)factors.rate1,
        .rate2 = (float)factors.rate2,
        .beta2 = (float)opts->beta2,
        .step_size = (float)factors.step_size,
        .inverse_root2 = (float)(1 / factors.root2),
        .eps = (float)opts->eps,
        .scale = call->in[4] ? *(const float *)call->in[4]->data : 1,
    };
    int64_t tiles = (call->in[0]->count + TILE - 1) / TILE;

    tern_parallel(tern_ctx_pool(call->ctx), tiles, update_tile, &job);
}

const tern_impl TERN_LEVEL(tern_adam_cpu) = {
    .op = "adam", .backend = "cpu", .provider = "hand",
    .forward = adam_forward,
};
