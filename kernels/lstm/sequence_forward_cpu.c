#include "kernels/lstm/sequence_forward.h"

#include <string.h>

#include "kernels/lstm/sequence_weights.h"
#include "kernels/matmul/gemm_weight.h"
#include "kernels/matmul/small_product.h"

static tern_gemm projection(const sequence_forward *pass, const float *x, int64_t valid)
{
    const sequence_batch *batch = &pass->batch;
    tern_gemm gemm = { .m = valid, .n = pass->gates * batch->hidden, .k = batch->inputs, .a = x,
                       .c = pass->projected, .a_stride = batch->inputs,
                       .b_stride = batch->inputs, .c_stride = pass->projected_stride,
                       .bias = pass->bias, .scratch = pass->gemm_scratch };
    tern_gemm_flag_weight(pass->call, TERN_SEQUENCE_W_IH, &TERN_LEVEL(tern_gemm_hand), &gemm);
    return gemm;
}

void TERN_LEVEL(tern_sequence_forward_take)(sequence_forward *pass, bool reverse,
                                       tern_workspace *workspace)
{
    const tern_call *call = pass->call;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    pass->batch = sequence_batch_take(call->in[TERN_SEQUENCE_X],
                                      call->in[TERN_SEQUENCE_W_HH]->shape[1], reverse, workspace);
    const sequence_batch *batch = &pass->batch;
    int64_t sums = pass->gates * batch->hidden, all_steps = batch->rows * batch->steps;

    if (!pass->projected_stride) {
        pass->projected_stride = sums;
        pass->projected = tern_workspace_take(workspace, all_steps * sums, sizeof(float));
    }
    if (call->in[TERN_SEQUENCE_LENGTHS])
        pass->x_room = tern_workspace_take(workspace, all_steps * batch->inputs, sizeof(float));
    pass->bias = tern_workspace_take(workspace, sums, sizeof(float));
    if (!tern_packing_is_kept(call, TERN_SEQUENCE_W_HH))
        pass->packed = tern_workspace_take(workspace, sequence_packed_floats(batch, pass->gates),
                                           sizeof(float));
    /* h before and after the step, and one block's sums */
    pass->scratch_floats =
        SEQUENCE_SLICE_ROWS * (2 * batch->blocks + pass->gates) * TERN_LANES;
    pass->scratch_floats = (pass->scratch_floats + 15) / 16 * 16;
    pass->scratch = tern_workspace_take(workspace, threads * pass->scratch_floats, sizeof(float));
    tern_gemm project = projection(pass, NULL, all_steps);
    pass->gemm_scratch = tern_workspace_take(
        workspace, (int64_t)TERN_LEVEL(tern_gemm_scratch_up_to)(&project, threads), 1);
}

/* ------------------------------------------------------- through time -- */

static float *scratch_of(const sequence_forward *pass, int worker)
{
    return pass->scratch + worker * pass->scratch_floats;
}

static sequence_row row_at(const sequence_forward *pass, const sequence_slice *slice, int64_t r,
                           int64_t step, const float *h, float *h_after)
{
    const sequence_batch *batch = &pass->batch;
    int64_t position = sequence_position(batch, slice->length[r], step);
    int64_t compact = slice->first[r] + position, hidden = batch->hidden;
    int64_t stride = batch->blocks * TERN_LANES;
    float *y = pass->call->out[TERN_SEQUENCE_Y]->data;
    return (sequence_row){
        .projected = pass->projected + compact * pass->projected_stride,
        .h_before = h + r * stride,
        .c = pass->c ? pass->c + slice->row[r] * hidden : NULL,
        .cell = pass->cells ? pass->cells + compact * hidden : NULL,
        .y = y + (slice->row[r] * batch->steps + position) * hidden,
        .h = h_after + r * stride,
    };
}

/* All rows of a slice that are active at a step; returns how many. */
static int64_t rows_at(const sequence_forward *pass, const sequence_slice *slice, int64_t step,
                       const float *h, float *h_after, sequence_row *rows)
{
    int64_t active = sequence_active_rows(slice, step);
    for (int64_t r = 0; r < active; r++)
        rows[r] = row_at(pass, slice, r, step, h, h_after);
    return active;
}

/* One step of a slice's active rows. */
typedef struct step_job {
    const sequence_forward *pass;
    const sequence_row *rows, *rows_after; /* [active], [active_after] of the step to come */
    const float *h;                        /* [active][blocks * lanes]                     */
    int64_t active, active_after, tile_blocks;
} step_job;

static void fetch_block(const sequence_forward *pass, int64_t block, const sequence_row *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    for (int64_t offset = j; offset < pass->projected_stride; offset += hidden)
        __builtin_prefetch(at->projected + offset, SEQUENCE_FOR_WRITING);
    if (at->cell)
        __builtin_prefetch(at->cell + j, SEQUENCE_FOR_WRITING);
    __builtin_prefetch(at->y + j, SEQUENCE_FOR_WRITING);
}

static void run_blocks(void *argument, int64_t tile, int worker)
{
    const step_job *job = argument;
    const sequence_forward *pass = job->pass;
    const sequence_batch *batch = &pass->batch;
    int64_t hidden = batch->hidden, stride = batch->blocks * TERN_LANES;
    int64_t panel = pass->gates * TERN_LANES, end = (tile + 1) * job->tile_blocks;
    float *sums = scratch_of(pass, worker) + 2 * SEQUENCE_SLICE_ROWS * stride;

    for (int64_t block = tile * job->tile_blocks; block < end && block < batch->blocks; block++) {
        tern_small_product recurrence = {
            .rows = job->active, .columns = panel, .depth = hidden, .a = job->h,
            .a_stride = stride, .a_depth_stride = 1, .b = pass->packed + block * hidden * panel,
            .b_stride = panel, .c = sums, .c_stride = panel,
        };
        tern_small_product_run(&recurrence);
        for (int64_t r = 0; r < job->active; r++) {
            if (r < job->active_after)
                fetch_block(pass, block, &job->rows_after[r]);
            pass->formula(pass, block, sums + r * panel, &job->rows[r]);
        }
    }
}

/* A slice that is the only one is run by no task of its own, so that its steps may be cut
 * into tasks. */
static void run_steps(const sequence_forward *pass, const sequence_slice *slice, int worker)
{
    const sequence_batch *batch = &pass->batch;
    bool alone = sequence_slices(batch) == 1;
    float *h = scratch_of(pass, worker);
    float *h_after = h + SEQUENCE_SLICE_ROWS * batch->blocks * TERN_LANES;
    step_job job = { .pass = pass, .tile_blocks = batch->blocks };

    if (alone)
        job.tile_blocks = sequence_tile_blocks(batch, slice->rows * pass->gates * TERN_LANES);
    for (int64_t step = 0; step < slice->length[0]; step++) {
        sequence_row rows[SEQUENCE_SLICE_ROWS], rows_after[SEQUENCE_SLICE_ROWS];
        job.active = rows_at(pass, slice, step, h, h_after, rows);
        job.active_after = rows_at(pass, slice, step + 1, h_after, h, rows_after);
        job.rows = rows;
        job.rows_after = rows_after;
        job.h = h;
        if (alone)
            tern_parallel(tern_ctx_pool(pass->call->ctx),
                          (batch->blocks + job.tile_blocks - 1) / job.tile_blocks, run_blocks,
                          &job);
        else
            run_blocks(&job, 0, worker);
        float *swap = h;
        h = h_after;
        h_after = swap;
    }
}

static void run_slice(void *argument, int64_t number, int worker)
{
    const sequence_forward *pass = argument;
    const sequence_batch *batch = &pass->batch;
    const tern_call *call = pass->call;
    sequence_slice slice = sequence_slice_at(batch, number);
    int64_t hidden = batch->hidden, stride = batch->blocks * TERN_LANES;
    size_t state_bytes = (size_t)hidden * sizeof(float);
    float *h = scratch_of(pass, worker);
    float *y = call->out[TERN_SEQUENCE_Y]->data, *h_n = call->out[TERN_SEQUENCE_H_N]->data;

    for (int64_t r = 0; r < slice.rows; r++) {
        sequence_load_state(call->in[TERN_SEQUENCE_H0], slice.row[r], hidden, h + r * stride);
        memcpy(h_n + slice.row[r] * hidden, h + r * stride, state_bytes);
    }
    run_steps(pass, &slice, worker);
    for (int64_t r = 0; r < slice.rows; r++) {
        int64_t length = slice.length[r];
        float *row = y + slice.row[r] * batch->steps * hidden;
        if (length > 0)
            memcpy(h_n + slice.row[r] * hidden,
                   row + sequence_position(batch, length, length - 1) * hidden, state_bytes);
        memset(row + length * hidden, 0,
               (size_t)((batch->steps - length) * hidden) * sizeof(float));
    }
}

uint32_t TERN_LEVEL(tern_sequence_forward_packs)(const tern_call *call)
{
    (void)call;
    return tern_gemm_packs(TERN_SEQUENCE_W_IH, &TERN_LEVEL(tern_gemm_hand)) |
           1u << TERN_SEQUENCE_W_HH;
}

void TERN_LEVEL(tern_sequence_forward_run)(sequence_forward *pass, tern_call *call)
{
    tern_pool *pool = tern_ctx_pool(call->ctx);
    sequence_batch_fill(&pass->batch, call->in[TERN_SEQUENCE_LENGTHS]);
    pass->packed = sequence_packed_weight(call, TERN_SEQUENCE_W_HH, &pass->batch, pass->gates,
                                          pass->packed);
    const float *x = sequence_compact_x(call->in[TERN_SEQUENCE_X], &pass->batch, pass->x_room);
    tern_gemm project = projection(pass, x, pass->batch.valid);
    if (!pass->packed ||
        !tern_gemm_take_weight(call, TERN_SEQUENCE_W_IH, &TERN_LEVEL(tern_gemm_hand), &project))
        return;
    TERN_LEVEL(tern_gemm_run)(pool, &project);
    tern_parallel(pool, sequence_slices(&pass->batch), run_slice, pass);
}
