/* slice on cpu.  Backward writes zeros around the piece in the same pass; when it
 * accumulates it touches the piece only. */
#include "core/simd.h"
#include "core/threads.h"
#include "kernels/shape/rows.h"
#include "kernels/shape/slice.h"

typedef struct slice_job {
    tern_slice_place at;
    tern_rows wide, narrow;
    size_t size; /* of an element */
} slice_job;

static slice_job make_job(const tern_call *call, tern_tensor *wide, tern_tensor *narrow)
{
    slice_job job = { .at = tern_slice_find(call), .size = tern_dtype_size(wide->dtype) };
    job.wide = (tern_rows){ wide->data, job.at.length_x };
    job.narrow = (tern_rows){ narrow->data, job.at.length_y };
    return job;
}

/* The wide rows from the piece's first column on. */
static tern_rows piece(const slice_job *job)
{
    return (tern_rows){ job->wide.data + (size_t)job->at.offset * job->size, job->wide.stride };
}

static int64_t tile_end(int64_t tile, int64_t elements)
{
    int64_t end = (tile + 1) * TERN_ROWS_TILE;
    return end < elements ? end : elements;
}

static void slice_tile(void *argument, int64_t tile, int worker)
{
    const slice_job *job = argument;
    (void)worker;
    tern_rows_copy(job->narrow, piece(job), job->at.length_y, job->size, tile * TERN_ROWS_TILE,
                   tile_end(tile, job->at.rows * job->at.length_y));
}

static void add_tile(void *argument, int64_t tile, int worker)
{
    const slice_job *job = argument;
    (void)worker;
    tern_rows_add(piece(job), job->narrow, job->at.length_y, tile * TERN_ROWS_TILE,
                  tile_end(tile, job->at.rows * job->at.length_y));
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Tiles over the wide rows; each stretch of a row is zeros, piece, zeros. */
static void place_tile(void *argument, int64_t tile, int worker)
{
    const slice_job *job = argument;
    int64_t length = job->at.length_x, begin = tile * TERN_ROWS_TILE;
    int64_t end = tile_end(tile, job->at.rows * length);

    (void)worker;
    while (begin < end) {
        int64_t row = begin / length, from = begin % length;
        int64_t to = length - from < end - begin ? length : from + end - begin;
        int64_t first = clamp(job->at.offset, from, to);
        int64_t last = clamp(job->at.offset + job->at.length_y, from, to);
        float *grad_x = (float *)job->wide.data + row * length;
        const float *grad_y = (const float *)job->narrow.data + row * job->at.length_y;

        memset(grad_x + from, 0, (size_t)(first - from) * sizeof(float));
        if (last > first)
            memcpy(grad_x + first, grad_y + (first - job->at.offset),
                   (size_t)(last - first) * sizeof(float));
        memset(grad_x + last, 0, (size_t)(to - last) * sizeof(float));
        begin += to - from;
    }
}

static void slice_forward(tern_call *call)
{
    slice_job job = make_job(call, call->in[0], call->out[0]);
    tern_parallel(tern_ctx_pool(call->ctx), tern_rows_tiles(call->out[0]->count), slice_tile, &job);
}

static void slice_backward(tern_call *call)
{
    slice_job job = make_job(call, call->grad_in[0], call->grad_out[0]);
    tern_pool *pool = tern_ctx_pool(call->ctx);
    if (call->accumulate[0])
        tern_parallel(pool, tern_rows_tiles(call->grad_out[0]->count), add_tile, &job);
    else
        tern_parallel(pool, tern_rows_tiles(call->grad_in[0]->count), place_tile, &job);
}

const tern_impl TERN_LEVEL(tern_slice_cpu) = {
    .op = "slice", .backend = "cpu", .provider = "hand",
    .forward = slice_forward, .backward = slice_backward,
};
