/* transpose on cpu.
 *
 * Axes of extent 1 are dropped, and neighbours that stay neighbours become one axis.
 * Then there are two cases:
 *
 *   the last axis stays the last: y's rows are rows of x, and are copied;
 *   it does not: with B the axis along which x is dense and A the one along which y is,
 *
 *       x  ... A ... B       y  ... B ... A
 *
 *   every choice of the other axes leaves a matrix [A,B] to be transposed to [B,A].  It
 *   is done in blocks of BLOCK_B by BLOCK_A elements, and in a block by squares of SIMD
 *   vectors, so that both x and y are read and written by whole cache lines.
 *
 * Backward is the same with the inverse permutation.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "core/transpose.h"
#include "kernels/shape/transpose.h"

enum {
    BLOCK_A = 512,
    BLOCK_B = 64,
    TILE_ELEMENTS = 16384 /* of whole rows or small blocks */
};

typedef struct axis {
    int64_t extent, from_stride, to_stride;
} axis;

typedef struct transpose_job {
    const char *from;
    char *to;
    size_t size; /* of an element */
    bool add;
    int outers;
    axis outer[TERN_MAX_RANK]; /* all axes but a and b, the first one slowest */
    axis a, b;                 /* not used where rows are copied */
    int64_t a_blocks, b_blocks;
    tern_tiles pieces; /* rows or blocks */
} transpose_job;

/* Axes in the order of `to`, as few as there can be; at least one. */
static int merge_axes(const tern_tensor *from, const int *axes, axis *merged)
{
    int count = 0;

    for (int i = 0; i < from->rank; i++) {
        axis next = { .extent = from->shape[axes[i]],
                      .from_stride = tern_extent(from, axes[i] + 1, from->rank) };
        if (next.extent == 1)
            continue;
        if (count > 0 && merged[count - 1].from_stride == next.from_stride * next.extent) {
            merged[count - 1].extent *= next.extent;
            merged[count - 1].from_stride = next.from_stride;
        } else {
            merged[count++] = next;
        }
    }
    if (count == 0)
        merged[count++] = (axis){ .extent = 1, .from_stride = 1 };
    int64_t stride = 1;
    for (int i = count - 1; i >= 0; i--) {
        merged[i].to_stride = stride;
        stride *= merged[i].extent;
    }
    return count;
}

/* Offsets of a choice of the outer axes: returns that in `from`. */
static int64_t outer_offset(const transpose_job *job, int64_t index, int64_t *to)
{
    int64_t from = 0;

    *to = 0;
    for (int i = job->outers - 1; i >= 0; i--) {
        int64_t position = index % job->outer[i].extent;
        from += position * job->outer[i].from_stride;
        *to += position * job->outer[i].to_stride;
        index /= job->outer[i].extent;
    }
    return from;
}

static void run_tiles(tern_pool *pool, transpose_job *job, int64_t pieces,
                      int64_t piece_elements, tern_tile_fn tile)
{
    job->pieces = tern_tiles_of_rows(pieces, piece_elements, TILE_ELEMENTS, 1);
    tern_parallel(pool, job->pieces.count, tile, job);
}

/* ------------------------------------------------------------------- rows -- */

static void row_tile(void *argument, int64_t tile, int worker)
{
    const transpose_job *job = argument;
    int64_t length = job->a.extent, end = tern_tile_end(&job->pieces, tile);

    (void)worker;
    for (int64_t row = tern_tile_begin(&job->pieces, tile); row < end; row++) {
        int64_t at, from = outer_offset(job, row, &at);
        if (job->add) {
            float *restrict to = (float *)(void *)job->to + at;
            const float *restrict more = (const float *)(const void *)job->from + from;
            for (int64_t i = 0; i < length; i++)
                to[i] += more[i];
        } else {
            memcpy(job->to + (size_t)at * job->size, job->from + (size_t)from * job->size,
                   (size_t)length * job->size);
        }
    }
}

/* --------------------------------------------------------------- matrices -- */

static void transpose_element(const transpose_job *job, int64_t from, int64_t to)
{
    if (job->add)
        ((float *)(void *)job->to)[to] += ((const float *)(const void *)job->from)[from];
    else
        memcpy(job->to + (size_t)to * job->size, job->from + (size_t)from * job->size, job->size);
}

/* TERN_LANES along both axes; elements of four bytes. */
static void transpose_one_square(const transpose_job *job, int64_t from, int64_t to)
{
    const float *x = (const float *)(const void *)job->from + from;
    float *y = (float *)(void *)job->to + to;
    float square[TERN_LANES * TERN_LANES];

    if (!job->add) {
        tern_transpose_square(x, job->a.from_stride, y, job->b.to_stride);
        return;
    }
    tern_transpose_square(x, job->a.from_stride, square, TERN_LANES);
    for (int i = 0; i < TERN_LANES; i++) {
        float *row = y + i * job->b.to_stride;
        tern_store(row, tern_load(row) + tern_load(square + i * TERN_LANES));
    }
}

static void transpose_block(const transpose_job *job, int64_t from, int64_t to, int64_t as,
                            int64_t bs)
{
    int64_t a_step = job->a.from_stride, b_step = job->b.to_stride;
    int64_t whole_as = job->size == sizeof(float) ? as / TERN_LANES * TERN_LANES : 0;
    int64_t whole_bs = whole_as > 0 ? bs / TERN_LANES * TERN_LANES : 0;

    for (int64_t a = 0; a < whole_as; a += TERN_LANES)
        for (int64_t b = 0; b < whole_bs; b += TERN_LANES)
            transpose_one_square(job, from + a * a_step + b, to + b * b_step + a);
    for (int64_t b = 0; b < bs; b++)
        for (int64_t a = b < whole_bs ? whole_as : 0; a < as; a++)
            transpose_element(job, from + a * a_step + b, to + b * b_step + a);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void block_tile(void *argument, int64_t tile, int worker)
{
    const transpose_job *job = argument;
    int64_t end = tern_tile_end(&job->pieces, tile);

    (void)worker;
    for (int64_t block = tern_tile_begin(&job->pieces, tile); block < end; block++) {
        int64_t a = block % job->a_blocks * BLOCK_A;
        int64_t b = block / job->a_blocks % job->b_blocks * BLOCK_B;
        int64_t to, from = outer_offset(job, block / job->a_blocks / job->b_blocks, &to);
        transpose_block(job, from + a * job->a.from_stride + b, to + b * job->b.to_stride + a,
                        smaller(job->a.extent - a, BLOCK_A), smaller(job->b.extent - b, BLOCK_B));
    }
}

/* -------------------------------------------------------------- the whole -- */

static void transpose(tern_pool *pool, const tern_tensor *from, const int *axes, tern_tensor *to,
                      bool add)
{
    transpose_job job = { .from = from->data, .to = to->data, .add = add,
                          .size = tern_dtype_size(to->dtype) };
    axis merged[TERN_MAX_RANK];
    int64_t pieces = 1;

    if (to->count == 0)
        return;
    int count = merge_axes(from, axes, merged);
    job.a = merged[count - 1];
    for (int i = 0; i < count - 1; i++) {
        if (job.a.from_stride != 1 && merged[i].from_stride == 1)
            job.b = merged[i];
        else
            job.outer[job.outers++] = merged[i];
        pieces *= merged[i].extent;
    }
    if (job.a.from_stride == 1) {
        run_tiles(pool, &job, pieces, job.a.extent, row_tile);
        return;
    }
    job.a_blocks = (job.a.extent + BLOCK_A - 1) / BLOCK_A;
    job.b_blocks = (job.b.extent + BLOCK_B - 1) / BLOCK_B;
    pieces = pieces / job.b.extent * job.a_blocks * job.b_blocks;
    run_tiles(pool, &job, pieces, smaller(job.a.extent, BLOCK_A) * smaller(job.b.extent, BLOCK_B),
              block_tile);
}

static void transpose_forward(tern_call *call)
{
    int axes[TERN_MAX_RANK];

    tern_transpose_axes(call, axes);
    transpose(tern_ctx_pool(call->ctx), call->in[0], axes, call->out[0], false);
}

static void transpose_backward(tern_call *call)
{
    int axes[TERN_MAX_RANK], inverse[TERN_MAX_RANK];

    tern_transpose_axes(call, axes);
    for (int i = 0; i < call->in[0]->rank; i++)
        inverse[axes[i]] = i;
    transpose(tern_ctx_pool(call->ctx), call->grad_out[0], inverse, call->grad_in[0],
              call->accumulate[0]);
}

const tern_impl TERN_LEVEL(tern_transpose_cpu) = {
    .op = "transpose", .backend = "cpu", .provider = "hand",
    .forward = transpose_forward, .backward = transpose_backward,
};
