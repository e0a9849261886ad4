/* gather on cpu.
 *
 * Index is walked in rows, its last axis: the place in x of a row's first element is
 * computed once, and the rest of the row lies beside it.
 *
 * Backward: grad_x is [outer, A, inner] with A the axis.  A tile owns a range of A for
 * one `outer`; it reads those rows of index that belong to the outer, and adds what falls
 * into its range, in the order of index.  So no two threads write one element, and the
 * order of additions does not depend on threads.
 */
#include "core/simd.h"
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/shape/gather.h"

enum {
    TILE_ELEMENTS = 4096,
    FEWEST_TILES = 16,    /* below so many outers the axis is cut ... */
    MIN_RANGE = 64        /* ... but not into crumbs                  */
};

typedef struct gather_job {
    tern_call *call;
    int axis;
    bool along_last;            /* the axis is the last: a row chooses within one row of x */
    int64_t length;             /* of a row of index                                       */
    tern_tiles rows;
    int64_t inner;              /* elements of x from one position of the axis to the next */
    int64_t rows_per_outer;     /* of index                                                */
    int64_t range, ranges;      /* of the axis                                             */
} gather_job;

static gather_job make_job(tern_call *call)
{
    const tern_tensor *x = call->in[0], *index = call->in[1];
    gather_job job = { .call = call, .axis = tern_gather_axis(call) };

    job.along_last = job.axis == x->rank - 1;
    job.length = index->shape[index->rank - 1];
    job.rows = tern_tiles_of_rows(tern_extent(index, 0, index->rank - 1), job.length,
                                  TILE_ELEMENTS, 1);
    job.inner = tern_extent(x, job.axis + 1, x->rank);
    job.rows_per_outer = job.along_last ? 1 : tern_extent(index, job.axis, index->rank - 1);
    return job;
}

/* Where a row of index begins in x when all its indices are 0. */
static int64_t row_place(const gather_job *job, int64_t row)
{
    const tern_tensor *x = job->call->in[0], *index = job->call->in[1];
    int64_t at = 0, stride = x->shape[x->rank - 1];

    for (int axis = x->rank - 2; axis >= 0; axis--) {
        at += axis == job->axis ? 0 : row % index->shape[axis] * stride;
        stride *= x->shape[axis];
        row /= index->shape[axis];
    }
    return at;
}

static void gather_tile(void *argument, int64_t tile, int worker)
{
    const gather_job *job = argument;
    const int32_t *index = job->call->in[1]->data;
    const char *x = job->call->in[0]->data;
    char *y = job->call->out[0]->data;
    size_t size = tern_dtype_size(job->call->out[0]->dtype);
    int64_t row = tern_tile_begin(&job->rows, tile), end = tern_tile_end(&job->rows, tile);
    int64_t beside = job->along_last ? 0 : 1;

    (void)worker;
    for (; row < end; row++) {
        int64_t from = row_place(job, row), to = row * job->length;
        for (int64_t i = 0; i < job->length; i++)
            memcpy(y + (size_t)(to + i) * size,
                   x + (size_t)(from + index[to + i] * job->inner + i * beside) * size, size);
    }
}

static void gather_forward(tern_call *call)
{
    if (call->out[0]->count == 0 || !tern_gather_check_index(call))
        return;
    gather_job job = make_job(call);
    tern_parallel(tern_ctx_pool(call->ctx), job.rows.count, gather_tile, &job);
}

/* --------------------------------------------------------------- backward -- */

/* Which outer of index has the coordinates of an outer of x; -1 if none has, for index may
 * be shorter. */
static int64_t outer_of_index(const gather_job *job, int64_t outer)
{
    const tern_tensor *x = job->call->in[0], *index = job->call->in[1];
    int64_t found = 0, stride = 1;

    for (int axis = job->axis - 1; axis >= 0; axis--) {
        int64_t position = outer % x->shape[axis];
        if (position >= index->shape[axis])
            return -1;
        found += position * stride;
        stride *= index->shape[axis];
        outer /= x->shape[axis];
    }
    return found;
}

static void scatter_row(const gather_job *job, int64_t row, int64_t begin, int64_t end)
{
    const int32_t *index = (const int32_t *)job->call->in[1]->data + row * job->length;
    const float *grad_y = (const float *)job->call->grad_out[0]->data + row * job->length;
    float *grad_x = (float *)job->call->grad_in[0]->data + row_place(job, row);
    int64_t beside = job->along_last ? 0 : 1;

    for (int64_t i = 0; i < job->length; i++)
        if (index[i] >= begin && index[i] < end)
            grad_x[index[i] * job->inner + i * beside] += grad_y[i];
}

static void scatter_tile(void *argument, int64_t tile, int worker)
{
    const gather_job *job = argument;
    int64_t extent = job->call->in[0]->shape[job->axis];
    int64_t outer = tile / job->ranges, begin = tile % job->ranges * job->range;
    int64_t end = begin + job->range < extent ? begin + job->range : extent;
    int64_t found = job->call->in[1]->count > 0 ? outer_of_index(job, outer) : -1;

    (void)worker;
    if (!job->call->accumulate[0])
        memset((float *)job->call->grad_in[0]->data + (outer * extent + begin) * job->inner, 0,
               (size_t)((end - begin) * job->inner) * sizeof(float));
    for (int64_t row = 0; found >= 0 && row < job->rows_per_outer; row++)
        scatter_row(job, found * job->rows_per_outer + row, begin, end);
}

static void gather_backward(tern_call *call)
{
    const tern_tensor *x = call->in[0];

    if (call->grad_in[0]->count == 0)
        return;
    gather_job job = make_job(call);
    int64_t outers = tern_extent(x, 0, job.axis), extent = x->shape[job.axis];
    int64_t share = (extent * outers + FEWEST_TILES - 1) / FEWEST_TILES;
    job.range = share < MIN_RANGE ? MIN_RANGE : share;
    job.range = outers >= FEWEST_TILES || job.range > extent ? extent : job.range;
    job.ranges = (extent + job.range - 1) / job.range;
    tern_parallel(tern_ctx_pool(call->ctx), outers * job.ranges, scatter_tile, &job);
}

const tern_impl TERN_LEVEL(tern_gather_cpu) = {
    .op = "gather", .backend = "cpu", .provider = "hand",
    .forward = gather_forward, .backward = gather_backward,
};
