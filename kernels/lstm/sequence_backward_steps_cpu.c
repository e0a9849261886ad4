/* A slice of the batch back through the steps of a chunk: part 1 of sequence_backward.h. */
#include "kernels/lstm/sequence_backward.h"

#include "kernels/matmul/small_product.h"

/* What a slice in work has of its own. */
typedef struct slice_run {
    const sequence_backward *pass;
    sequence_slice slice;
    float *dh;       /* [rows][panels * SEQUENCE_PANEL] */
    float *dc;       /* [rows][blocks * lanes]          */
    float *d_hidden; /* [rows][gates*H]                 */
    float *bias_hidden, *bias_input; /* [gates*H] sums over all steps so far */
} slice_run;

static slice_run slice_run_at(const sequence_backward *pass, int64_t number, int worker)
{
    int64_t row = number * sequence_slice_rows(&pass->batch);
    int64_t sums = pass->gates * pass->batch.hidden;
    return (slice_run){
        .pass = pass,
        .slice = sequence_slice_at(&pass->batch, number),
        .dh = pass->dh + row * pass->panels * SEQUENCE_PANEL,
        .dc = pass->dc + row * pass->batch.blocks * TERN_LANES,
        .d_hidden = pass->scratch + worker * pass->scratch_floats,
        .bias_hidden = pass->bias_hidden + number * sums,
        .bias_input = pass->bias_input + number * sums,
    };
}

/* The number of a row's step in the chunk. */
static int64_t chunk_step(const slice_run *run, int64_t r, int64_t step)
{
    return run->pass->chunk.first[run->slice.row[r]] +
           sequence_position(&run->pass->batch, run->slice.length[r], step);
}

/* c after a row's step, or c0 before its first; NULL for zeros. */
static const float *cell_at(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    int64_t hidden = pass->batch.hidden;
    if (step >= 0) {
        int64_t position = sequence_position(&pass->batch, run->slice.length[r], step);
        return (const float *)pass->cells->data + (run->slice.first[r] + position) * hidden;
    }
    const tern_tensor *c0 = pass->call->in[pass->c0];
    return c0 ? (const float *)c0->data + run->slice.row[r] * hidden : NULL;
}

static sequence_row_back row_at(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    const sequence_batch *batch = &pass->batch;
    int64_t hidden = batch->hidden, sums = pass->gates * hidden;
    int64_t position = sequence_position(batch, run->slice.length[r], step);
    int64_t compact = run->slice.first[r] + position, kept = chunk_step(run, r, step);
    return (sequence_row_back){
        .gates = (float *)pass->call->saved[TERN_SEQUENCE_GATES]->data + compact * 4 * hidden,
        .cell = pass->cells ? cell_at(run, r, step) : NULL,
        .c_before = pass->cells ? cell_at(run, r, step - 1) : NULL,
        .h_before = pass->h_before + kept * hidden,
        .grad_y = (float *)pass->call->grad_out[TERN_SEQUENCE_Y]->data +
                  (run->slice.row[r] * batch->steps + position) * hidden,
        .dh = run->dh + r * pass->panels * SEQUENCE_PANEL,
        .dc = run->dc + r * batch->blocks * TERN_LANES,
        .d_hidden = run->d_hidden + r * sums,
        .d_input = pass->d_input + kept * sums,
    };
}

static void fetch_block(const sequence_backward *pass, int64_t block, const sequence_row_back *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    for (int64_t gate = 0; gate < 4; gate++)
        __builtin_prefetch(at->gates + gate * hidden + j, SEQUENCE_FOR_READING);
    for (int64_t gate = 0; gate < pass->gates; gate++)
        __builtin_prefetch(at->d_input + gate * hidden + j, SEQUENCE_FOR_WRITING);
    if (at->c_before)
        __builtin_prefetch(at->c_before + j, SEQUENCE_FOR_READING);
    __builtin_prefetch(at->h_before + j, SEQUENCE_FOR_WRITING);
    __builtin_prefetch(at->grad_y + j, SEQUENCE_FOR_READING);
}

/* Copies h[t-1] beside the other steps', for the products over steps. */
static void keep_h_before(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    const sequence_batch *batch = &pass->batch;
    int64_t row = run->slice.row[r], hidden = batch->hidden;
    float *kept = pass->h_before + chunk_step(run, r, step) * hidden;
    if (step == 0) {
        sequence_load_state(pass->call->in[TERN_SEQUENCE_H0], row, hidden, kept);
        return;
    }
    int64_t before = sequence_position(batch, run->slice.length[r], step - 1);
    const float *y = pass->call->out[TERN_SEQUENCE_Y]->data;
    memcpy(kept, y + (row * batch->steps + before) * hidden, (size_t)hidden * sizeof(float));
}

static void run_row(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    int64_t sums = pass->gates * pass->batch.hidden, kept = chunk_step(run, r, step) * sums;
    bool ends_chunk = step == pass->chunk.step;
    sequence_row_back at = row_at(run, r, step), before;
    if (!ends_chunk)
        before = row_at(run, r, step - 1);

    keep_h_before(run, r, step);
    for (int64_t block = 0; block < pass->batch.blocks; block++) {
        if (!ends_chunk)
            fetch_block(pass, block, &before);
        pass->formula(pass, block, &at);
    }
    memcpy(pass->d_hidden + kept, at.d_hidden, (size_t)sums * sizeof(float));
    sequence_add(run->bias_hidden, at.d_hidden, sums);
    if (pass->input_apart)
        sequence_add(run->bias_input, at.d_input, sums);
}

/* The gradient of h of the step before, from d_hidden of the rows that are active. */
static void recur(const slice_run *run, int64_t active)
{
    const sequence_backward *pass = run->pass;
    int64_t sums = pass->gates * pass->batch.hidden;
    for (int64_t panel = 0; panel < pass->panels; panel++) {
        int64_t left = (pass->batch.blocks - panel * 4) * TERN_LANES;
        tern_small_product recurrence = {
            .rows = active, .columns = left < SEQUENCE_PANEL ? left : SEQUENCE_PANEL, .depth = sums,
            .a = run->d_hidden, .a_stride = sums, .a_depth_stride = 1,
            .b = pass->packed + panel * sums * SEQUENCE_PANEL, .b_stride = SEQUENCE_PANEL,
            .c = run->dh + panel * SEQUENCE_PANEL, .c_stride = pass->panels * SEQUENCE_PANEL,
            .accumulate = pass->passes_h_on,
        };
        tern_small_product_run(&recurrence);
    }
}

/* Copies x of the chunk's steps beside each other, for the product over them. */
static void gather_x(const slice_run *run)
{
    const sequence_backward *pass = run->pass;
    const sequence_batch *batch = &pass->batch;
    const float *x = pass->call->in[TERN_SEQUENCE_X]->data;
    for (int64_t r = 0; r < run->slice.rows; r++) {
        int64_t row = run->slice.row[r], begin;
        int64_t count = sequence_chunk_positions(pass, run->slice.length[r], &begin);
        if (count * batch->inputs > 0)
            memcpy(pass->x + (pass->chunk.first[row] + begin) * batch->inputs,
                   x + (row * batch->steps + begin) * batch->inputs,
                   (size_t)(count * batch->inputs) * sizeof(float));
    }
}

void TERN_LEVEL(tern_sequence_backward_slice)(void *argument, int64_t number, int worker)
{
    const sequence_backward *pass = argument;
    slice_run run = slice_run_at(pass, number, worker);
    int64_t length = run.slice.length[0], end = pass->chunk.end;

    if (pass->call->grad_in[TERN_SEQUENCE_W_IH])
        gather_x(&run);
    for (int64_t step = (length < end ? length : end) - 1; step >= pass->chunk.step; step--) {
        int64_t active = sequence_active_rows(&run.slice, step);
        for (int64_t r = 0; r < active; r++)
            run_row(&run, r, step);
        recur(&run, active);
    }
}
