/* reshape on cpu: nothing, but for gradients that have storage of their own. */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/shape/reshape.h"
#include "kernels/shape/rows.h"

typedef struct reshape_job {
    tern_rows to, from; /* one row */
    int64_t count;
    size_t size;
    bool add;
} reshape_job;

static void reshape_tile(void *argument, int64_t tile, int worker)
{
    const reshape_job *job = argument;
    int64_t begin = tile * TERN_ROWS_TILE, end = begin + TERN_ROWS_TILE;

    (void)worker;
    end = end < job->count ? end : job->count;
    if (job->add)
        tern_rows_add(job->to, job->from, job->count, begin, end);
    else
        tern_rows_copy(job->to, job->from, job->count, job->size, begin, end);
}

static void move(tern_call *call, tern_tensor *to, const tern_tensor *from, bool add)
{
    reshape_job job = { .to = { to->data, to->count }, .from = { from->data, to->count },
                        .count = to->count, .size = tern_dtype_size(to->dtype), .add = add };
    if (to->data != from->data)
        tern_parallel(tern_ctx_pool(call->ctx), tern_rows_tiles(to->count), reshape_tile, &job);
}

static void reshape_forward(tern_call *call)
{
    move(call, call->out[0], call->in[0], false);
}

static void reshape_backward(tern_call *call)
{
    move(call, call->grad_in[0], call->grad_out[0], call->accumulate[0]);
}

const tern_impl TERN_LEVEL(tern_reshape_cpu) = {
    .op = "reshape", .backend = "cpu", .provider = "hand",
    .forward = reshape_forward, .backward = reshape_backward,
};
