/* concat on cpu: the inputs' elements, cut into tiles, move to or from y's rows. */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/shape/concat.h"
#include "kernels/shape/rows.h"

typedef struct concat_job {
    tern_call *call;
    int64_t length_y;
    int64_t length[TERN_MAX_ARGS]; /* of input i's rows                  */
    int64_t offset[TERN_MAX_ARGS]; /* of input i's rows within y's       */
    int64_t tiles[TERN_MAX_ARGS + 1]; /* input i's are tiles[i]..tiles[i+1] */
} concat_job;

static concat_job make_job(tern_call *call)
{
    const tern_concat_opts *opts = call->options;
    int axis = (int)(opts->axis < 0 ? opts->axis + call->out[0]->rank : opts->axis);
    concat_job job = { .call = call };
    int64_t offset = 0;

    for (int i = 0; i < call->inputs; i++) {
        job.length[i] = tern_extent(call->in[i], axis, call->in[i]->rank);
        job.offset[i] = offset;
        job.tiles[i + 1] = job.tiles[i] + tern_rows_tiles(call->in[i]->count);
        offset += job.length[i];
    }
    job.length_y = offset;
    return job;
}

static int input_of_tile(const concat_job *job, int64_t tile)
{
    int i = 0;
    while (tile >= job->tiles[i + 1])
        i++;
    return i;
}

static void concat_tile(void *argument, int64_t tile, int worker)
{
    const concat_job *job = argument;
    int i = input_of_tile(job, tile);
    tern_tensor *x = job->call->in[i], *y = job->call->out[0];
    size_t size = tern_dtype_size(y->dtype);
    int64_t begin = (tile - job->tiles[i]) * TERN_ROWS_TILE, end = begin + TERN_ROWS_TILE;
    tern_rows from = { x->data, job->length[i] };
    tern_rows to = { (char *)y->data + (size_t)job->offset[i] * size, job->length_y };

    (void)worker;
    tern_rows_copy(to, from, job->length[i], size, begin, end < x->count ? end : x->count);
}

static void concat_grad_tile(void *argument, int64_t tile, int worker)
{
    const concat_job *job = argument;
    int i = input_of_tile(job, tile);
    tern_tensor *grad_x = job->call->grad_in[i], *grad_y = job->call->grad_out[0];
    int64_t begin = (tile - job->tiles[i]) * TERN_ROWS_TILE, end = begin + TERN_ROWS_TILE;

    (void)worker;
    if (!grad_x)
        return;
    end = end < grad_x->count ? end : grad_x->count;
    tern_rows to = { grad_x->data, job->length[i] };
    tern_rows from = { (char *)((float *)grad_y->data + job->offset[i]), job->length_y };
    if (job->call->accumulate[i])
        tern_rows_add(to, from, job->length[i], begin, end);
    else
        tern_rows_copy(to, from, job->length[i], sizeof(float), begin, end);
}

static void concat_forward(tern_call *call)
{
    concat_job job = make_job(call);
    tern_parallel(tern_ctx_pool(call->ctx), job.tiles[call->inputs], concat_tile, &job);
}

static void concat_backward(tern_call *call)
{
    concat_job job = make_job(call);
    tern_parallel(tern_ctx_pool(call->ctx), job.tiles[call->inputs], concat_grad_tile, &job);
}

const tern_impl TERN_LEVEL(tern_concat_cpu) = {
    .op = "concat", .backend = "cpu", .provider = "hand",
    .forward = concat_forward, .backward = concat_backward,
};
