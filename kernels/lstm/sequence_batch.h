/* The order in which the recurrent ops (lstm, gru) run on cpu.
 *
 * Padding is cut away first.  The valid steps of all rows stand one after the
 * other, row 0's first, and all products over many steps run on that compact
 * order, so padding costs nothing and not even NaN in it comes through:
 *
 *     x [N,T,I]    row 0  # # # . .        compact  # # # # # # # #
 *                  row 1  # # # # #                 row 0 row 1
 *
 * What is saved for backward, [valid,...], is compact as well.
 *
 * The recurrence is cut into slices of a few rows of the batch, ordered by falling
 * length; one task runs all steps of its slice, so no step waits for another core, and
 * the rows still active at a step are the slice's first ones.
 */
#ifndef TERN_KERNELS_SEQUENCE_BATCH_H
#define TERN_KERNELS_SEQUENCE_BATCH_H

#include "core/simd.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/lstm/sequence.h"

/* A step reads all of w_hh once for the rows of a slice: eight make the most of that, less
 * than a register tile's four the least.  Between the two there should be SEQUENCE_SLICES for
 * the threads.  Slices follow from the batch alone, for biases' gradients are summed by slice. */
enum { SEQUENCE_SLICES = 4, SEQUENCE_LEAST_ROWS = 4, SEQUENCE_SLICE_ROWS = 8 };

/* A step's rows lie far apart in memory, so the processor cannot foresee them: while one block
 * is computed, the same block of the step to come is fetched, with __builtin_prefetch. */
enum { SEQUENCE_FOR_READING, SEQUENCE_FOR_WRITING };

typedef struct sequence_batch {
    int64_t rows, steps, inputs, hidden; /* N, T, I, H                       */
    int64_t valid;                       /* steps of all rows, without padding */
    int64_t blocks;                      /* vectors that hold H              */
    bool reverse;
    int64_t *first;  /* [N] compact number of the row's first valid step       */
    int64_t *length; /* [N]                                                    */
    int64_t *order;  /* [N] rows by falling length                             */
} sequence_batch;

typedef struct sequence_slice {
    int64_t rows;
    int64_t row[SEQUENCE_SLICE_ROWS], first[SEQUENCE_SLICE_ROWS], length[SEQUENCE_SLICE_ROWS];
} sequence_slice;

/* Sizes, and room for the arrays, which sequence_batch_fill then fills. */
static inline sequence_batch sequence_batch_take(const tern_tensor *x, int64_t hidden,
                                                 bool reverse, tern_workspace *workspace)
{
    sequence_batch batch = { .rows = x->shape[0], .steps = x->shape[1], .inputs = x->shape[2],
                             .hidden = hidden, .reverse = reverse };
    batch.blocks = (batch.hidden + TERN_LANES - 1) / TERN_LANES;
    batch.first = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    batch.length = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    batch.order = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    return batch;
}

static inline void sequence_batch_fill(sequence_batch *batch, const tern_tensor *lengths)
{
    for (int64_t row = 0; row < batch->rows; row++) {
        batch->length[row] = tern_sequence_length(lengths, batch->steps, row);
        batch->first[row] = batch->valid;
        batch->valid += batch->length[row];
        int64_t place = row; /* insertion sort: stable, and there are few rows */
        for (; place > 0 && batch->length[batch->order[place - 1]] < batch->length[row]; place--)
            batch->order[place] = batch->order[place - 1];
        batch->order[place] = row;
    }
}

static inline bool sequence_has_padding(const sequence_batch *batch)
{
    return batch->valid < batch->rows * batch->steps;
}

static inline int64_t sequence_slice_rows(const sequence_batch *batch)
{
    int64_t rows = (batch->rows + SEQUENCE_SLICES - 1) / SEQUENCE_SLICES;
    if (rows < SEQUENCE_LEAST_ROWS)
        return SEQUENCE_LEAST_ROWS;
    return rows < SEQUENCE_SLICE_ROWS ? rows : SEQUENCE_SLICE_ROWS;
}

static inline int64_t sequence_slices(const sequence_batch *batch)
{
    int64_t rows = sequence_slice_rows(batch);
    return (batch->rows + rows - 1) / rows;
}

static inline sequence_slice sequence_slice_at(const sequence_batch *batch, int64_t number)
{
    sequence_slice slice = { 0 };
    int64_t most = sequence_slice_rows(batch), begin = number * most;
    for (; slice.rows < most && begin + slice.rows < batch->rows; slice.rows++) {
        int64_t row = batch->order[begin + slice.rows];
        slice.row[slice.rows] = row;
        slice.first[slice.rows] = batch->first[row];
        slice.length[slice.rows] = batch->length[row];
    }
    return slice;
}

/* Rows of the slice whose length is beyond `step`: its first ones. */
static inline int64_t sequence_active_rows(const sequence_slice *slice, int64_t step)
{
    int64_t active = 0;
    while (active < slice->rows && slice->length[active] > step)
        active++;
    return active;
}

/* Where in time a row of this length is at its step-th step. */
static inline int64_t sequence_position(const sequence_batch *batch, int64_t length, int64_t step)
{
    return batch->reverse ? length - 1 - step : step;
}

/* Elements of hidden block `block` that exist: TERN_LANES but in the last one. */
static inline int64_t sequence_block_width(const sequence_batch *batch, int64_t block)
{
    int64_t left = batch->hidden - block * TERN_LANES;
    return left < TERN_LANES ? left : TERN_LANES;
}

/* Hidden blocks for one task of a step that threads share; `columns`: products of each
 * hidden unit's element of h with all that a block makes of it, for all rows.  A task must be
 * worth the microsecond or so in which it is handed over. */
static inline int64_t sequence_tile_blocks(const sequence_batch *batch, int64_t columns)
{
    const int64_t task_multiply_adds = 32768;
    int64_t block = batch->hidden * columns;
    int64_t blocks = (task_multiply_adds + block - 1) / (block > 0 ? block : 1);
    return blocks > 1 ? blocks : 1;
}

/* x's valid steps in compact order: x itself if nothing is padding, else a copy
 * in `room` [valid, I]. */
static inline const float *sequence_compact_x(const tern_tensor *tensor,
                                              const sequence_batch *batch, float *room)
{
    const float *x = tensor->data;
    if (!sequence_has_padding(batch) || batch->inputs == 0)
        return x;
    for (int64_t row = 0; row < batch->rows; row++)
        memcpy(room + batch->first[row] * batch->inputs, x + row * batch->steps * batch->inputs,
               (size_t)(batch->length[row] * batch->inputs) * sizeof(float));
    return room;
}

/* [H] of a row of a state, or zeros without one, to `to`. */
static inline void sequence_load_state(const tern_tensor *state, int64_t row, int64_t hidden,
                                       float *to)
{
    size_t bytes = (size_t)hidden * sizeof(float);
    if (state)
        memcpy(to, (const float *)state->data + row * hidden, bytes);
    else
        memset(to, 0, bytes);
}

#endif
