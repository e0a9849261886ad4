/* flip, pad and repeat on cpu: rows, and each row in runs.
 *
 * Axes at the end that y takes over from x as they are make one block of elements; the
 * axis before them is the row, which runs cut into stretches of blocks to be copied:
 *
 *     flip axis 1 of [N, W, 3]:   rows are the N images, a block is a pixel of 3
 *     pad axis 1 of [N, T, 128]:  a row is one vector of 128, and a copy
 *
 * The second way is taken when the first would make rows too long to share between
 * threads.  Backward goes through the rows of x: each gathers, in the order of y, the
 * gradients of all rows that were made from it.  So no two threads write one row, and
 * the order of additions is fixed.
 */
#include "core/threads.h"
#include "core/tiles.h"
#include "kernels/shape/axis_map.h"

enum {
    LONG_ROW = 4096,      /* elements */
    TILE_ELEMENTS = 16384
};

typedef struct map_job {
    tern_call *call;
    const tern_axis_map *map;
    int outer;          /* axes before the row's                                    */
    bool row_is_block;  /* the row is the block: one run                            */
    int64_t block;      /* elements that stay together                              */
    int64_t x_row, y_row; /* elements of a row                                      */
    int64_t x_rows, y_rows;
    tern_tiles rows; /* those of the two that the pass goes through */
    char fill[8];
    size_t size; /* of an element */
} map_job;

static bool is_taken_over(const tern_call *call, const tern_axis_map *map, int axis)
{
    if (call->out[0]->shape[axis] == 0 || map->run_count(call, axis) != 1)
        return false;
    tern_axis_run run = map->run(call, axis, 0);
    int64_t extent = tern_axis_map_extent(call, axis);
    return run.length == extent && run.x == 0 && (run.step == 1 || extent == 1);
}

static map_job make_job(tern_call *call, const tern_axis_map *map)
{
    const tern_tensor *y = call->out[0];
    map_job job = { .call = call, .map = map, .outer = y->rank, .block = 1,
                    .x_rows = 1, .y_rows = 1 };

    while (job.outer > 0 && is_taken_over(call, map, job.outer - 1))
        job.block *= y->shape[--job.outer];
    job.row_is_block =
        job.outer == 0 || (job.block > 1 && job.block * y->shape[job.outer - 1] > LONG_ROW);
    if (job.row_is_block) {
        job.x_row = job.y_row = job.block;
    } else {
        job.outer--;
        job.x_row = job.block * tern_axis_map_extent(call, job.outer);
        job.y_row = job.block * y->shape[job.outer];
    }
    for (int axis = 0; axis < job.outer; axis++) {
        job.x_rows *= tern_axis_map_extent(call, axis);
        job.y_rows *= y->shape[axis];
    }
    return job;
}

static void run_tiles(map_job *job, int64_t rows, int64_t row_elements, tern_tile_fn tile)
{
    job->rows = tern_tiles_of_rows(rows, row_elements, TILE_ELEMENTS, 1);
    tern_parallel(tern_ctx_pool(job->call->ctx), job->rows.count, tile, job);
}

static int64_t runs_of_row(const map_job *job)
{
    return job->row_is_block ? 1 : job->map->run_count(job->call, job->outer);
}

/* Positions and length in blocks; the block itself as a run is one of step 1. */
static tern_axis_run run_of_row(const map_job *job, int64_t index)
{
    return job->row_is_block ? (tern_axis_run){ .length = 1, .step = 1 }
                             : job->map->run(job->call, job->outer, index);
}

/* ---------------------------------------------------------------- forward -- */

/* One element again and again. */
static void fill_elements(char *to, const char *element, int64_t count, size_t size)
{
    if (size == sizeof(float))
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * 4, element, 4);
    else
        for (int64_t i = 0; i < count; i++)
            memcpy(to + (size_t)i * size, element, size);
}

static void copy_run(const map_job *job, char *y, const char *x, tern_axis_run run)
{
    size_t bytes = (size_t)job->block * job->size;
    char *to = y + (size_t)run.y * bytes;
    const char *from = x + (size_t)run.x * bytes;

    if (run.step == 1)
        memcpy(to, from, (size_t)run.length * bytes);
    else if (run.step == 0 && job->block == 1)
        fill_elements(to, from, run.length, job->size);
    else if (run.step == -1 && bytes == sizeof(float))
        for (int64_t i = 0; i < run.length; i++)
            memcpy(to + i * 4, from - i * 4, 4);
    else
        for (int64_t i = 0; i < run.length; i++)
            memcpy(to + (size_t)i * bytes, from + run.step * i * (int64_t)bytes, bytes);
}

/* The row of x that a row of y is made from, or TERN_NO_SOURCE. */
static int64_t source_row(const map_job *job, int64_t row)
{
    int64_t from = 0, stride = 1;

    for (int axis = job->outer - 1; axis >= 0; axis--) {
        int64_t extent = job->call->out[0]->shape[axis];
        int64_t source = job->map->source(job->call, axis, row % extent);
        if (source == TERN_NO_SOURCE)
            return TERN_NO_SOURCE;
        from += source * stride;
        stride *= tern_axis_map_extent(job->call, axis);
        row /= extent;
    }
    return from;
}

static void forward_tile(void *argument, int64_t tile, int worker)
{
    const map_job *job = argument;
    const char *x = job->call->in[0]->data;
    int64_t end = tern_tile_end(&job->rows, tile), runs = runs_of_row(job);

    (void)worker;
    for (int64_t row = tern_tile_begin(&job->rows, tile); row < end; row++) {
        char *y = (char *)job->call->out[0]->data + (size_t)(row * job->y_row) * job->size;
        int64_t from = source_row(job, row);
        if (from == TERN_NO_SOURCE) {
            fill_elements(y, job->fill, job->y_row, job->size);
            continue;
        }
        for (int64_t r = 0; r < runs; r++) {
            tern_axis_run run = run_of_row(job, r);
            if (run.x == TERN_NO_SOURCE)
                fill_elements(y + (size_t)(run.y * job->block) * job->size, job->fill,
                              run.length * job->block, job->size);
            else
                copy_run(job, y, x + (size_t)(from * job->x_row) * job->size, run);
        }
    }
}

void TERN_LEVEL(tern_axis_map_forward)(tern_call *call, const tern_axis_map *map, double fill)
{
    if (call->out[0]->count == 0)
        return;
    map_job job = make_job(call, map);
    job.size = tern_element_bytes(call->out[0]->dtype, fill, job.fill);
    run_tiles(&job, job.y_rows, job.y_row, forward_tile);
}

/* --------------------------------------------------------------- backward -- */

static void add_elements(float *restrict sum, const float *restrict more, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        sum[i] += more[i];
}

static void add_run(const map_job *job, float *grad_x, const float *grad_y, tern_axis_run run)
{
    float *to = grad_x + run.x * job->block;
    const float *from = grad_y + run.y * job->block;

    if (run.x == TERN_NO_SOURCE)
        return;
    if (run.step == 1) {
        add_elements(to, from, run.length * job->block);
    } else if (run.step == 0 && job->block == 1) {
        float sum = 0;
        for (int64_t i = 0; i < run.length; i++)
            sum += from[i];
        *to += sum;
    } else {
        for (int64_t i = 0; i < run.length; i++)
            add_elements(to + run.step * i * job->block, from + i * job->block, job->block);
    }
}

/* Add to a row of x the gradients of all rows of y made from it.  Axis after axis: the
 * positions of y along it that come from `position` of x; `row` is the row of y so far. */
static void add_rows(const map_job *job, float *grad_x, const int64_t *position, int axis,
                     int64_t row)
{
    const tern_call *call = job->call;

    if (axis == job->outer) {
        const float *grad_y = (const float *)call->grad_out[0]->data + row * job->y_row;
        for (int64_t r = 0; r < runs_of_row(job); r++)
            add_run(job, grad_x, grad_y, run_of_row(job, r));
        return;
    }
    row *= call->out[0]->shape[axis];
    for (int64_t r = 0; r < job->map->run_count(call, axis); r++) {
        tern_axis_run run = job->map->run(call, axis, r);
        int64_t at = run.step * (position[axis] - run.x);
        if (run.step != 0 && run.x != TERN_NO_SOURCE && at >= 0 && at < run.length)
            add_rows(job, grad_x, position, axis + 1, row + run.y + at);
        for (at = 0; run.step == 0 && run.x == position[axis] && at < run.length; at++)
            add_rows(job, grad_x, position, axis + 1, row + run.y + at);
    }
}

static void backward_tile(void *argument, int64_t tile, int worker)
{
    const map_job *job = argument;
    int64_t end = tern_tile_end(&job->rows, tile), position[TERN_MAX_RANK];

    (void)worker;
    for (int64_t row = tern_tile_begin(&job->rows, tile); row < end; row++) {
        float *grad_x = (float *)job->call->grad_in[0]->data + row * job->x_row;
        int64_t rest = row;
        for (int axis = job->outer - 1; axis >= 0; axis--) {
            int64_t extent = tern_axis_map_extent(job->call, axis);
            position[axis] = rest % extent;
            rest /= extent;
        }
        if (!job->call->accumulate[0])
            memset(grad_x, 0, (size_t)job->x_row * sizeof(float));
        add_rows(job, grad_x, position, 0, 0);
    }
}

void TERN_LEVEL(tern_axis_map_backward)(tern_call *call, const tern_axis_map *map)
{
    if (call->grad_in[0]->count == 0)
        return;
    map_job job = make_job(call, map);
    run_tiles(&job, job.x_rows, call->out[0]->count / job.x_rows, backward_tile);
}
