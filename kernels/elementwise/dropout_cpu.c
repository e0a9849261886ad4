/* dropout on cpu: Philox on whole vectors of counters (core/vrng.h), the same bits as
 * core/rng.h gives ref; the tests compare. */
#include "core/threads.h"
#include "core/vrng.h"
#include "kernels/elementwise/dropout.h"

enum { TILE = 8192 }; /* elements, a multiple of TERN_RANDOM_GROUP */

typedef struct dropout_task {
    const float *from;
    float *to;
    int64_t count;
    bool accumulate, drops;
    tern_vdropout stream;
} dropout_task;

static void dropout_tile(void *argument, int64_t tile, int worker)
{
    const dropout_task *task = argument;
    int64_t end = (tile + 1) * TILE < task->count ? (tile + 1) * TILE : task->count;
    (void)worker;

    for (int64_t first = tile * TILE; first < end; first += TERN_RANDOM_GROUP) {
        const float *from = task->from + first;
        float *to = task->to + first, factor[TERN_RANDOM_GROUP];
        int64_t n = end - first < TERN_RANDOM_GROUP ? end - first : TERN_RANDOM_GROUP;
        if (task->drops)
            tern_vdropout_draw(&task->stream, (uint64_t)first / 4, factor);
        for (int64_t e = 0; e < n; e++) {
            float value = task->drops ? from[e] * factor[e] : from[e];
            to[e] = task->accumulate ? to[e] + value : value;
        }
    }
}

static void apply(tern_call *call, const tern_tensor *from, tern_tensor *to, bool accumulate)
{
    const tern_dropout_opts *opts = call->options;
    dropout_task task = { .from = from->data, .to = to->data, .count = from->count,
                          .accumulate = accumulate, .drops = call->training && opts->p > 0,
                          .stream = { .seed = call->rng_seed, .step = call->rng_step,
                                      .position = call->rng_position,
                                      .threshold = (uint32_t)ceil(opts->p * 0x1p24),
                                      .scale = (float)tern_dropout_scale(opts->p) } };
    tern_parallel(tern_ctx_pool(call->ctx), (task.count + TILE - 1) / TILE, dropout_tile, &task);
}

static void dropout_forward(tern_call *call)
{
    apply(call, call->in[0], call->out[0], false);
}

static void dropout_backward(tern_call *call)
{
    apply(call, call->grad_out[0], call->grad_in[0], call->accumulate[0]);
}

const tern_impl TERN_LEVEL(tern_dropout_cpu) = {
    .op = "dropout", .backend = "cpu", .provider = "hand",
    .forward = dropout_forward, .backward = dropout_backward,
};
