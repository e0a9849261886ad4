/* Sums over the axes of repetition, on cpu.
 *
 * Seen from the gradient, an element of grad_y has two coordinates: which element
 * of the gradient it belongs to and which term of its sum it is.  The gradient is
 * cut into units, the terms into blocks:
 *
 *                     terms, LENGTH of them
 *                +---------+---------+-----+
 *         unit 0 | block 0 | block 1 | ... |  --> one element, or up to
 *                +---------+---------+-----+      COLUMNS neighbours of a row
 *         unit 1 |         |         |     |
 *
 * A (block, unit) is summed by one thread in a fixed order into partial[block],
 * and the partial sums are added up block by block.  Both cuts depend on the
 * shapes alone, so the bits do not depend on the number of threads.  With one
 * block the sums go straight into the gradient.
 *
 * If the last axis is repeated, a term is one element and is summed across SIMD
 * lanes; if not, a term is a piece of a row and every lane has its own sum.
 *
 * A block is summed in runs of RUN additions, and the runs' sums are summed: in one go,
 * the rounding errors of 10,000 terms that cancel would be as many times larger as the
 * sum on its way is larger than that of a run.
 */
#include "kernels/elementwise/broadcast_sum.h"

#include "core/threads.h"
#include "kernels/elementwise/broadcast.h"

enum {
    COLUMNS = 256,       /* width of a unit if the last axis is kept         */
    BLOCK_ELEMENTS = 32768, /* of grad_y that a (block, unit) sums at most   */
    RUN = 64,               /* additions one after the other                 */
    TILE_ELEMENTS = 16384,  /* of grad_y that a tile of small units covers   */
    MERGE_ELEMENTS = 4096   /* of the gradient that a tile of partial sums adds */
};

/* A set of outer axes, walked in row-major order. */
typedef struct axis_set {
    int axes;
    int64_t count; /* product of the extents */
    int64_t extent[TERN_MAX_RANK], grad_y_stride[TERN_MAX_RANK], factor_stride[TERN_MAX_RANK];
} axis_set;

typedef struct place {
    int64_t grad_y, factor; /* offsets in elements */
} place;

typedef struct sum_task {
    const float *grad_y, *factor; /* factor is NULL for ones */
    float *grad, *partial;
    bool accumulate;
    bool row_kept;         /* the last axis is not repeated       */
    int64_t row;           /* its extent                          */
    int64_t factor_stride; /* of factor along it: 0 or 1          */
    axis_set kept, summed; /* the other axes                      */
    int64_t length, block_length, blocks;
    int64_t pieces;        /* units in a kept row                 */
    int64_t units, units_per_tile, unit_tiles;
    int64_t count;         /* elements of the gradient            */
} sum_task;

static void add_axis(axis_set *set, int64_t extent, int64_t grad_y_stride, int64_t factor_stride)
{
    set->extent[set->axes] = extent;
    set->grad_y_stride[set->axes] = grad_y_stride;
    set->factor_stride[set->axes] = factor_stride;
    set->count *= extent;
    set->axes++;
}

static place place_of(const axis_set *set, int64_t at)
{
    place p = { 0, 0 };
    for (int axis = set->axes - 1; axis >= 0; axis--) {
        int64_t index = axis ? at % set->extent[axis] : at;
        at /= axis ? set->extent[axis] : 1;
        p.grad_y += index * set->grad_y_stride[axis];
        p.factor += index * set->factor_stride[axis];
    }
    return p;
}

static int64_t pieces_of(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static sum_task plan_sum(const tern_tensor *grad_y, const tern_tensor *factor,
                         const tern_tensor *grad)
{
    const tern_tensor *operands[] = { grad, factor ? factor : grad };
    tern_broadcast plan = tern_broadcast_plan(grad_y, operands, 2);
    int last = plan.axes - 1;
    sum_task task = { .kept = { .count = 1 }, .summed = { .count = 1 }, .count = grad->count,
                      .row = plan.extent[last], .row_kept = plan.stride[0][last] != 0,
                      .factor_stride = plan.stride[1][last] };
    int64_t stride[TERN_MAX_RANK], elements = plan.extent[last];

    for (int axis = last - 1; axis >= 0; axis--) {
        stride[axis] = elements;
        elements *= plan.extent[axis];
    }
    for (int axis = 0; axis < last; axis++)
        add_axis(plan.stride[0][axis] ? &task.kept : &task.summed, plan.extent[axis], stride[axis],
                 plan.stride[1][axis]);

    int64_t width = task.row_kept ? at_most(task.row, COLUMNS) : 1;
    task.length = task.summed.count * (task.row_kept ? 1 : task.row);
    task.block_length = at_most(task.length, BLOCK_ELEMENTS / width);
    task.blocks = pieces_of(task.length, task.block_length);
    task.pieces = task.row_kept ? pieces_of(task.row, COLUMNS) : 1;
    task.units = task.kept.count * task.pieces;
    task.units_per_tile = pieces_of(TILE_ELEMENTS, task.block_length * width);
    task.unit_tiles = pieces_of(task.units, task.units_per_tile);
    return task;
}

/* Add terms [from, to) of a piece of a row: every lane its own sum. */
static void add_rows(const sum_task *task, place start, int64_t from, int64_t to, int64_t width,
                     float *restrict sum)
{
    for (int64_t term = from; term < to; term++) {
        place p = place_of(&task->summed, term);
        const float *restrict g = task->grad_y + start.grad_y + p.grad_y;
        const float *restrict f = task->factor ? task->factor + start.factor + p.factor : NULL;
        if (!f)
            for (int64_t j = 0; j < width; j++)
                sum[j] += g[j];
        else if (task->factor_stride)
            for (int64_t j = 0; j < width; j++)
                sum[j] += g[j] * f[j];
        else
            for (int64_t j = 0; j < width; j++)
                sum[j] += g[j] * f[0];
    }
}

/* Terms [from, to) of a piece of a row, run by run. */
static void sum_rows(const sum_task *task, place start, int64_t from, int64_t to, int64_t width,
                     float *restrict sum)
{
    float run[COLUMNS];
    memset(sum, 0, (size_t)width * sizeof *sum);
    for (; from < to; from += RUN) {
        memset(run, 0, (size_t)width * sizeof *run);
        add_rows(task, start, from, at_most(from + RUN, to), width, run);
        for (int64_t j = 0; j < width; j++)
            sum[j] += run[j];
    }
}

/* grad_y * factor over a stretch of a row. */
static tern_vf sum_stretch(const float *g, const float *f, int64_t factor_stride, int64_t width)
{
    tern_vf sum = { 0 };
    for (int64_t j = 0; j < width; j += TERN_LANES) {
        tern_vf v = tern_load_part(g + j, width - j);
        if (f)
            v *= factor_stride ? tern_load_part(f + j, width - j) : tern_splat(*f);
        sum += v;
    }
    return sum;
}

/* Terms [from, to) of one element, which lie along rows of grad_y: stretches of at most RUN
 * vectors, RUN of those in a run. */
static float sum_elements(const sum_task *task, place start, int64_t from, int64_t to)
{
    tern_vf sum = { 0 }, run = { 0 };
    for (int stretches = 1; from < to; stretches++) {
        int64_t column = from % task->row;
        int64_t width = at_most(at_most(task->row - column, to - from), RUN * TERN_LANES);
        place p = place_of(&task->summed, from / task->row);
        const float *g = task->grad_y + start.grad_y + p.grad_y + column, *f = NULL;
        if (task->factor)
            f = task->factor + start.factor + p.factor + column * task->factor_stride;
        run += sum_stretch(g, f, task->factor_stride, width);
        from += width;
        if (stretches % RUN == 0) {
            sum += run;
            run = (tern_vf){ 0 };
        }
    }
    return tern_hsum(sum + run);
}

static void deliver(const sum_task *task, int64_t block, int64_t at, const float *sum,
                    int64_t width)
{
    bool direct = task->blocks == 1;
    float *to = direct ? task->grad + at : task->partial + block * task->count + at;
    if (direct && task->accumulate)
        for (int64_t j = 0; j < width; j++)
            to[j] += sum[j];
    else
        for (int64_t j = 0; j < width; j++)
            to[j] = sum[j];
}

static void sum_tile(void *argument, int64_t tile, int worker)
{
    const sum_task *task = argument;
    int64_t block = tile / task->unit_tiles;
    int64_t first = tile % task->unit_tiles * task->units_per_tile;
    int64_t from = block * task->block_length;
    int64_t to = at_most(from + task->block_length, task->length);
    (void)worker;

    for (int64_t unit = first; unit < at_most(first + task->units_per_tile, task->units); unit++) {
        int64_t row = unit / task->pieces, column = unit % task->pieces * COLUMNS;
        place start = place_of(&task->kept, row);
        if (task->row_kept) {
            float sum[COLUMNS];
            int64_t width = at_most(COLUMNS, task->row - column);
            start.grad_y += column;
            start.factor += column * task->factor_stride;
            sum_rows(task, start, from, to, width, sum);
            deliver(task, block, row * task->row + column, sum, width);
        } else {
            float sum = sum_elements(task, start, from, to);
            deliver(task, block, row, &sum, 1);
        }
    }
}

static void merge_tile(void *argument, int64_t tile, int worker)
{
    const sum_task *task = argument;
    int64_t end = at_most((tile + 1) * MERGE_ELEMENTS, task->count);
    (void)worker;
    for (int64_t block = 0; block < task->blocks; block++) {
        const float *restrict partial = task->partial + block * task->count;
        float *restrict grad = task->grad;
        bool overwrite = block == 0 && !task->accumulate;
        for (int64_t at = tile * MERGE_ELEMENTS; at < end; at++)
            grad[at] = overwrite ? partial[at] : grad[at] + partial[at];
    }
}

size_t TERN_LEVEL(tern_broadcast_sum_bytes)(const tern_tensor *grad_y, const tern_tensor *factor,
                                            const tern_tensor *grad)
{
    if (grad_y->count == 0)
        return 0;
    sum_task task = plan_sum(grad_y, factor, grad);
    return task.blocks > 1 ? (size_t)(task.blocks * task.count) * sizeof(float) : 0;
}

void TERN_LEVEL(tern_broadcast_sum)(tern_ctx *ctx, const tern_tensor *grad_y,
                                    const tern_tensor *factor, tern_tensor *grad, bool accumulate,
                                    void *workspace)
{
    if (grad_y->count == 0) { /* a sum without terms */
        if (!accumulate)
            memset(grad->data, 0, tern_tensor_bytes(grad));
        return;
    }
    sum_task task = plan_sum(grad_y, factor, grad);
    task.grad_y = grad_y->data;
    task.factor = factor ? factor->data : NULL;
    task.grad = grad->data;
    task.partial = workspace;
    task.accumulate = accumulate;
    tern_parallel(tern_ctx_pool(ctx), task.blocks * task.unit_tiles, sum_tile, &task);
    if (task.blocks > 1)
        tern_parallel(tern_ctx_pool(ctx), pieces_of(task.count, MERGE_ELEMENTS), merge_tile, &task);
}
