/* stack on cpu: each input is a narrow matrix in the wide one that y is; see rows.h. */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/shape/rows.h"
#include "kernels/shape/stack.h"

typedef struct stack_job {
    tern_call *call;
    tern_stack_place at;
    int64_t tiles; /* of one input */
} stack_job;

static void run_tiles(tern_call *call, tern_tile_fn tile)
{
    stack_job job = { .call = call, .at = tern_stack_find(call),
                      .tiles = tern_rows_tiles(call->in[0]->count) };
    tern_parallel(tern_ctx_pool(call->ctx), job.tiles * call->inputs, tile, &job);
}

/* y's rows, from the first element of input k's piece on. */
static tern_rows piece(const stack_job *job, const tern_tensor *y, int k)
{
    size_t offset = (size_t)(k * job->at.length) * tern_dtype_size(y->dtype);
    return (tern_rows){ (char *)y->data + offset, job->at.length * job->call->inputs };
}

static int64_t tile_begin(const stack_job *job, int64_t tile)
{
    return tile % job->tiles * TERN_ROWS_TILE;
}

static int64_t tile_end(const stack_job *job, int64_t tile)
{
    int64_t end = tile_begin(job, tile) + TERN_ROWS_TILE, count = job->call->in[0]->count;
    return end < count ? end : count;
}

static void stack_tile(void *argument, int64_t tile, int worker)
{
    const stack_job *job = argument;
    int k = (int)(tile / job->tiles);
    tern_rows x = { job->call->in[k]->data, job->at.length };

    (void)worker;
    tern_rows_copy(piece(job, job->call->out[0], k), x, job->at.length,
                   tern_dtype_size(job->call->out[0]->dtype), tile_begin(job, tile),
                   tile_end(job, tile));
}

static void stack_grad_tile(void *argument, int64_t tile, int worker)
{
    const stack_job *job = argument;
    int k = (int)(tile / job->tiles);
    tern_rows from = piece(job, job->call->grad_out[0], k);

    (void)worker;
    if (!job->call->grad_in[k])
        return;
    tern_rows to = { job->call->grad_in[k]->data, job->at.length };
    if (job->call->accumulate[k])
        tern_rows_add(to, from, job->at.length, tile_begin(job, tile), tile_end(job, tile));
    else
        tern_rows_copy(to, from, job->at.length, sizeof(float), tile_begin(job, tile),
                       tile_end(job, tile));
}

static void stack_forward(tern_call *call)
{
    run_tiles(call, stack_tile);
}

static void stack_backward(tern_call *call)
{
    run_tiles(call, stack_grad_tile);
}

const tern_impl TERN_LEVEL(tern_stack_cpu) = {
    .op = "stack", .backend = "cpu", .provider = "hand",
    .forward = stack_forward, .backward = stack_backward,
};
