/* Folds on cpu.
 *
 * The outputs are cut into units, the terms of an output into blocks:
 *
 *                     terms
 *                +---------+---------+-----+
 *         unit 0 | block 0 | block 1 | ... |  --> one output, or a STRIP of
 *                +---------+---------+-----+      neighbours of a row
 *         unit 1 |         |         |     |
 *
 * One thread folds a (block, unit) in a fixed order into partial[block]; the partial
 * results are then folded block by block.  Both cuts depend on the shape alone, so the
 * bits do not depend on the number of threads.  With one block there is nothing to add.
 *
 * If x's last axis is reduced, a term is one element: vectors run along the row, and
 * their lanes are folded in the end.  If it is kept, a term is a piece of a row, and
 * every lane is an output of its own.
 */
#include "kernels/reduce/reduce_fold.h"

#include "core/threads.h"

#include <math.h>

enum {
    STRIP = 4, /* vectors that are folded side by side */
    COLUMNS = STRIP * TERN_LANES,
    BLOCK_ELEMENTS = 32768, /* of x that a (block, unit) folds at most */
    TILE_ELEMENTS = 16384,  /* of x that a tile of small units covers  */
    MERGE_OUTPUTS = 4096    /* that a tile of partial results folds    */
};

/* All axes but the last that are kept, or reduced: walked in row-major order. */
typedef struct outer_axes {
    int axes;
    int64_t count, extent[TERN_MAX_RANK], stride[TERN_MAX_RANK]; /* stride in x */
} outer_axes;

typedef struct fold_task {
    fold_kind kind;
    const float *x, *center;
    float *to, *partial;
    float scale;
    bool row_kept;
    int64_t row, outputs;
    outer_axes kept, reduced;
    int64_t terms, block_terms, blocks;
    int64_t strips; /* units in a kept row */
    int64_t units, units_per_tile, unit_tiles;
} fold_task;

static int64_t pieces_of(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static int64_t place_of(const outer_axes *set, int64_t at)
{
    int64_t place = 0;
    for (int axis = set->axes - 1; axis > 0; axis--) {
        place += at % set->extent[axis] * set->stride[axis];
        at /= set->extent[axis];
    }
    return set->axes ? place + at * set->stride[0] : 0;
}

static fold_task plan_fold(const reduce_view *view)
{
    int last = view->axes - 1;
    fold_task task = { .row = view->extent[last], .row_kept = !view->reduced[last],
                       .outputs = view->outputs, .terms = view->terms,
                       .kept = { .count = 1 }, .reduced = { .count = 1 } };
    int64_t stride[TERN_MAX_RANK] = { 0 }, elements = 1;

    for (int axis = last; axis >= 0; axis--) {
        stride[axis] = elements;
        elements *= view->extent[axis];
    }
    for (int axis = 0; axis < last; axis++) {
        outer_axes *set = view->reduced[axis] ? &task.reduced : &task.kept;
        set->extent[set->axes] = view->extent[axis];
        set->stride[set->axes++] = stride[axis];
        set->count *= view->extent[axis];
    }
    int64_t width = task.row_kept ? at_most(task.row, COLUMNS) : 1;
    task.block_terms = at_most(task.terms, BLOCK_ELEMENTS / width);
    task.blocks = pieces_of(task.terms, task.block_terms);
    task.strips = task.row_kept ? pieces_of(task.row, COLUMNS) : 1;
    task.units = task.kept.count * task.strips;
    task.units_per_tile = pieces_of(TILE_ELEMENTS, task.block_terms * width);
    task.unit_tiles = pieces_of(task.units, task.units_per_tile);
    return task;
}

/* ------------------------------------------------------------- vectors -- */

/* What does not change a fold: stands in the lanes beyond the end of a row. */
static inline __attribute__((always_inline)) float neutral(const fold_kind kind, float center)
{
    return kind == FOLD_MAX ? -INFINITY : kind == FOLD_SQUARES ? center
                                      : kind == FOLD_EQUALS    ? NAN
                                                               : 0;
}

static inline __attribute__((always_inline)) tern_vf fold(const fold_kind kind, tern_vf so_far,
                                                          tern_vf x, tern_vf center)
{
    if (kind == FOLD_SUM)
        return so_far + x;
    if (kind == FOLD_MAX) /* NaN, which is not equal to itself, wins */
        return tern_select((x > so_far) | (x != x), x, so_far); // NOLINT(misc-redundant-expression)
    if (kind == FOLD_SQUARES)
        return so_far + (x - center) * (x - center);
    return so_far + tern_select(x == center, tern_splat(1), tern_splat(0));
}

/* Two results of folds to one. */
static inline __attribute__((always_inline)) tern_vf join(const fold_kind kind, tern_vf a,
                                                          tern_vf b)
{
    return fold(kind == FOLD_MAX ? FOLD_MAX : FOLD_SUM, a, b, b);
}

static float fold_lanes(fold_kind kind, tern_vf v)
{
    float lanes[TERN_LANES], largest;
    if (kind != FOLD_MAX)
        return tern_hsum(v);
    memcpy(lanes, &v, sizeof lanes);
    largest = lanes[0];
    for (int i = 1; i < TERN_LANES; i++)
        largest = lanes[i] > largest || isnan(lanes[i]) ? lanes[i] : largest;
    return largest;
}

/* ------------------------------------------------------- the last axis -- */

/* Reduced: `count` elements side by side into the lanes of so_far. */
static inline __attribute__((always_inline)) void fold_stretch(const fold_kind kind, const float *x,
                                                               int64_t count, float center,
                                                               tern_vf *so_far)
{
    tern_vf middle = tern_splat(center);
    int64_t i = 0;
    for (; i + COLUMNS <= count; i += COLUMNS)
        for (int s = 0; s < STRIP; s++)
            so_far[s] = fold(kind, so_far[s], tern_load(x + i + s * TERN_LANES), middle);
    for (int s = 0; i < count; s++, i += TERN_LANES)
        so_far[s] = fold(kind, so_far[s],
                         tern_load_part_or(x + i, count - i, neutral(kind, center)), middle);
}

/* Terms [from, to) of one output. */
static inline __attribute__((always_inline)) float fold_output(const fold_kind kind,
                                                               const fold_task *task,
                                                               int64_t output, int64_t from,
                                                               int64_t to)
{
    const float *x = task->x + place_of(&task->kept, output);
    float center = task->center ? task->center[output] : 0;
    tern_vf so_far[STRIP];

    for (int s = 0; s < STRIP; s++)
        so_far[s] = tern_splat(kind == FOLD_MAX ? -INFINITY : 0);
    while (from < to) {
        int64_t column = from % task->row, count = at_most(task->row - column, to - from);
        fold_stretch(kind, x + place_of(&task->reduced, from / task->row) + column, count, center,
                     so_far);
        from += count;
    }
    return fold_lanes(kind, join(kind, join(kind, so_far[0], so_far[1]),
                                 join(kind, so_far[2], so_far[3])));
}

/* Kept: terms [from, to) of `vectors` vectors of outputs, of which `columns` count. */
static inline __attribute__((always_inline)) void fold_columns(const fold_kind kind,
                                                               const int vectors,
                                                               const fold_task *task,
                                                               const float *x, const float *center,
                                                               int64_t from, int64_t to,
                                                               int64_t columns, float *result)
{
    tern_vf so_far[STRIP], middle[STRIP];
    for (int s = 0; s < vectors; s++) {
        so_far[s] = tern_splat(kind == FOLD_MAX ? -INFINITY : 0);
        middle[s] = center ? tern_load_part(center + s * TERN_LANES, columns) : so_far[s];
    }
    for (int64_t term = from; term < to; term++) {
        const float *at = x + place_of(&task->reduced, term);
        for (int s = 0; s < vectors; s++)
            so_far[s] = fold(kind, so_far[s], tern_load_part(at + s * TERN_LANES, columns),
                             middle[s]);
    }
    for (int s = 0; s < vectors; s++)
        tern_store_part(result + s * TERN_LANES, so_far[s], columns);
}

/* A strip of a kept row; `columns` of them, COLUMNS but for the last strip. */
static inline __attribute__((always_inline)) void fold_strip(const fold_kind kind,
                                                             const fold_task *task,
                                                             const float *x, const float *center,
                                                             int64_t from, int64_t to,
                                                             int64_t columns, float *result)
{
    if (columns == COLUMNS) {
        fold_columns(kind, STRIP, task, x, center, from, to, TERN_LANES, result);
        return;
    }
    for (int64_t c = 0; c < columns; c += TERN_LANES)
        fold_columns(kind, 1, task, x + c, center ? center + c : NULL, from, to, columns - c,
                     result + c);
}

/* --------------------------------------------------------------- tiles -- */

static void deliver(const fold_task *task, int64_t block, int64_t output, const float *result,
                    int64_t count)
{
    if (task->blocks > 1) {
        memcpy(task->partial + block * task->outputs + output, result,
               (size_t)count * sizeof *result);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        task->to[output + i] = result[i] * task->scale;
}

static inline __attribute__((always_inline)) void fold_tile(const fold_kind kind,
                                                            const fold_task *task, int64_t tile)
{
    int64_t block = tile / task->unit_tiles, from = block * task->block_terms;
    int64_t to = at_most(from + task->block_terms, task->terms);
    int64_t unit = tile % task->unit_tiles * task->units_per_tile;
    int64_t end = at_most(unit + task->units_per_tile, task->units);
    float result[COLUMNS];

    for (; unit < end; unit++) {
        int64_t column = unit % task->strips * COLUMNS, columns = 1, output = unit;
        if (task->row_kept) {
            const float *x = task->x + place_of(&task->kept, unit / task->strips) + column;
            output = unit / task->strips * task->row + column;
            columns = at_most(COLUMNS, task->row - column);
            fold_strip(kind, task, x, task->center ? task->center + output : NULL, from, to,
                       columns, result);
        } else {
            result[0] = fold_output(kind, task, unit, from, to);
        }
        deliver(task, block, output, result, columns);
    }
}

/* One copy of the loops for each kind, so that none chooses inside. */
static void fold_any_tile(void *argument, int64_t tile, int worker)
{
    const fold_task *task = argument;
    (void)worker;
    switch (task->kind) {
    case FOLD_SUM: fold_tile(FOLD_SUM, task, tile); break;
    case FOLD_MAX: fold_tile(FOLD_MAX, task, tile); break;
    case FOLD_SQUARES: fold_tile(FOLD_SQUARES, task, tile); break;
    case FOLD_EQUALS: fold_tile(FOLD_EQUALS, task, tile); break;
    }
}

static void merge_tile(void *argument, int64_t tile, int worker)
{
    const fold_task *task = argument;
    int64_t end = at_most((tile + 1) * MERGE_OUTPUTS, task->outputs);
    (void)worker;
    for (int64_t at = tile * MERGE_OUTPUTS; at < end; at += TERN_LANES) {
        tern_vf result = tern_load_part(task->partial + at, end - at);
        for (int64_t block = 1; block < task->blocks; block++)
            result = join(task->kind, result,
                          tern_load_part(task->partial + block * task->outputs + at, end - at));
        tern_store_part(task->to + at, result * task->scale, end - at);
    }
}

size_t TERN_LEVEL(tern_reduce_fold_bytes)(const reduce_view *view)
{
    if (view->terms == 0 || view->outputs == 0)
        return 0;
    fold_task task = plan_fold(view);
    return task.blocks > 1 ? (size_t)(task.blocks * task.outputs) * sizeof(float) : 0;
}

void TERN_LEVEL(tern_reduce_fold)(tern_ctx *ctx, const reduce_view *view, fold_kind kind,
                                  const float *x, const float *center, float scale, float *to,
                                  void *workspace)
{
    if (view->terms == 0 || view->outputs == 0) {
        for (int64_t o = 0; o < view->outputs; o++)
            to[o] = 0 * scale; /* a mean of nothing is 0 * inf */
        return;
    }
    fold_task task = plan_fold(view);
    task.kind = kind;
    task.x = x;
    task.center = center;
    task.scale = scale;
    task.to = to;
    task.partial = workspace;
    tern_parallel(tern_ctx_pool(ctx), task.blocks * task.unit_tiles, fold_any_tile, &task);
    if (task.blocks > 1)
        tern_parallel(tern_ctx_pool(ctx), pieces_of(task.outputs, MERGE_OUTPUTS), merge_tile,
                      &task);
}
