/* What the forward and backward of lstm on cpu share.
 *
 * Padding is cut away first.  The valid steps of all rows stand one after the
 * other, row 0's first, and all products over many steps run on that compact
 * order, so padding costs nothing and not even NaN in it comes through:
 *
 *     x [N,T,I]    row 0  # # # . .        compact  # # # # # # # #
 *                  row 1  # # # # #                 row 0 row 1
 *
 * The saved gates [valid,4H] and cells [valid,H] are compact as well.
 *
 * The recurrence is cut into slices of LSTM_SLICE_ROWS rows of the batch, ordered
 * by falling length; one task runs all steps of its slice, so no step waits for
 * another core, and the rows still active at a step are the slice's first ones.
 */
#ifndef TERN_KERNELS_LSTM_CPU_H
#define TERN_KERNELS_LSTM_CPU_H

#include "core/simd.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/lstm/lstm.h"

/* A register tile's height; a fixed number, as slices must not depend on threads. */
enum { LSTM_SLICE_ROWS = 4 };

typedef struct lstm_batch {
    int64_t rows, steps, inputs, hidden; /* N, T, I, H                       */
    int64_t valid;                       /* steps of all rows, without padding */
    int64_t blocks;                      /* vectors that hold H              */
    bool reverse;
    int64_t *first;  /* [N] compact number of the row's first valid step       */
    int64_t *length; /* [N]                                                    */
    int64_t *order;  /* [N] rows by falling length                             */
} lstm_batch;

typedef struct lstm_slice {
    int64_t rows;
    int64_t row[LSTM_SLICE_ROWS], first[LSTM_SLICE_ROWS], length[LSTM_SLICE_ROWS];
} lstm_slice;

/* Sizes, and room for the arrays, which lstm_batch_fill then fills. */
static inline lstm_batch lstm_batch_take(const tern_call *call, tern_workspace *workspace)
{
    const tern_tensor *x = call->in[TERN_LSTM_X];
    lstm_batch batch = { .rows = x->shape[0], .steps = x->shape[1], .inputs = x->shape[2],
                         .hidden = call->in[TERN_LSTM_W_HH]->shape[1],
                         .reverse = ((const tern_lstm_opts *)call->options)->reverse };
    batch.blocks = (batch.hidden + TERN_LANES - 1) / TERN_LANES;
    batch.first = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    batch.length = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    batch.order = tern_workspace_take(workspace, batch.rows, sizeof(int64_t));
    return batch;
}

static inline void lstm_batch_fill(lstm_batch *batch, const tern_call *call)
{
    for (int64_t row = 0; row < batch->rows; row++) {
        batch->length[row] = tern_lstm_length(call, row);
        batch->first[row] = batch->valid;
        batch->valid += batch->length[row];
        int64_t place = row; /* insertion sort: stable, and there are few rows */
        for (; place > 0 && batch->length[batch->order[place - 1]] < batch->length[row]; place--)
            batch->order[place] = batch->order[place - 1];
        batch->order[place] = row;
    }
}

static inline bool lstm_has_padding(const lstm_batch *batch)
{
    return batch->valid < batch->rows * batch->steps;
}

static inline int64_t lstm_slices(const lstm_batch *batch)
{
    return (batch->rows + LSTM_SLICE_ROWS - 1) / LSTM_SLICE_ROWS;
}

static inline lstm_slice lstm_slice_at(const lstm_batch *batch, int64_t number)
{
    lstm_slice slice = { 0 };
    int64_t begin = number * LSTM_SLICE_ROWS;
    for (; slice.rows < LSTM_SLICE_ROWS && begin + slice.rows < batch->rows; slice.rows++) {
        int64_t row = batch->order[begin + slice.rows];
        slice.row[slice.rows] = row;
        slice.first[slice.rows] = batch->first[row];
        slice.length[slice.rows] = batch->length[row];
    }
    return slice;
}

/* Rows of the slice whose length is beyond `step`: its first ones. */
static inline int64_t lstm_active_rows(const lstm_slice *slice, int64_t step)
{
    int64_t active = 0;
    while (active < slice->rows && slice->length[active] > step)
        active++;
    return active;
}

/* Where in time a row of this length is at its step-th step. */
static inline int64_t lstm_position(const lstm_batch *batch, int64_t length, int64_t step)
{
    return batch->reverse ? length - 1 - step : step;
}

/* Elements of hidden block `block` that exist: TERN_LANES but in the last one. */
static inline int64_t lstm_block_width(const lstm_batch *batch, int64_t block)
{
    int64_t left = batch->hidden - block * TERN_LANES;
    return left < TERN_LANES ? left : TERN_LANES;
}

/* x's valid steps in compact order: x itself if nothing is padding, else a copy
 * in `room` [valid, I]. */
const float *TERN_LEVEL(tern_lstm_compact_x)(const tern_call *call, const lstm_batch *batch,
                                             float *room);

void TERN_LEVEL(tern_lstm_backward)(tern_call *call);
size_t TERN_LEVEL(tern_lstm_backward_workspace)(const tern_call *call);

#endif
