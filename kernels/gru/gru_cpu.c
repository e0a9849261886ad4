/* gru on cpu, forward; built as lstm is (kernels/lstm/lstm_cpu.c).
 *
 * 1. All input projections at once: sums[valid,3H] = x w_ih' + bias, one GEMM.  Of r
 *    and z the bias is b_ih + b_hh; of m it is b_ih, for the reset gate comes between.
 * 2. w_hh is packed (sequence_weights.h), so that each step streams it in order from L2:
 *    for each block of hidden units its three gates side by side.
 * 3. Each slice of the batch runs through time.  A step multiplies the rows' h by
 *    a block's panel and turns the three sums into the new h at once.
 */
#include "kernels/gru/gru_cpu.h"

#include "core/vmath.h"
#include "kernels/lstm/sequence_weights.h"
#include "kernels/matmul/gemm_weight.h"
#include "kernels/matmul/small_product.h"

enum { GATES = 3, PANEL = GATES * TERN_LANES };

typedef struct forward_work {
    const tern_call *call;
    sequence_batch batch;
    float *gates;       /* [valid, gate_stride] sums with w_ih; then the gates, if saved */
    int64_t gate_stride; /* 4H if saved, else 3H                                         */
    float *x_room;      /* [valid, I]                                                    */
    float *bias;        /* [3H] of the projections                                       */
    float *packed;      /* [blocks][H][gate][lane]                                       */
    float *scratch;     /* [threads][scratch_floats], for run_slice                      */
    int64_t scratch_floats;
    void *gemm_scratch;
} forward_work;

static tern_gemm projection(const forward_work *work, const float *x, int64_t valid)
{
    const sequence_batch *batch = &work->batch;
    tern_gemm gemm = { .m = valid, .n = GATES * batch->hidden, .k = batch->inputs, .a = x,
                       .c = work->gates, .a_stride = batch->inputs, .b_stride = batch->inputs,
                       .c_stride = work->gate_stride, .bias = work->bias,
                       .scratch = work->gemm_scratch };
    tern_gemm_flag_weight(work->call, TERN_GRU_W_IH, &TERN_LEVEL(tern_gemm_hand), &gemm);
    return gemm;
}

static forward_work forward_work_take(const tern_call *call, tern_workspace *workspace)
{
    forward_work work = { .call = call, .batch = gru_batch_take(call, workspace) };
    const sequence_batch *batch = &work.batch;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    int64_t all_steps = batch->rows * batch->steps;

    if (call->saved[TERN_GRU_GATES]) {
        work.gate_stride = 4 * batch->hidden;
        work.gates = call->saved[TERN_GRU_GATES]->data;
    } else {
        work.gate_stride = GATES * batch->hidden;
        work.gates = tern_workspace_take(workspace, all_steps * work.gate_stride, sizeof(float));
    }
    if (call->in[TERN_GRU_LENGTHS])
        work.x_room = tern_workspace_take(workspace, all_steps * batch->inputs, sizeof(float));
    work.bias = tern_workspace_take(workspace, GATES * batch->hidden, sizeof(float));
    if (!tern_packing_is_kept(call, TERN_GRU_W_HH))
        work.packed = tern_workspace_take(workspace, sequence_packed_floats(batch, GATES),
                                          sizeof(float));
    /* h before and after the step, and one block's sums */
    work.scratch_floats = SEQUENCE_SLICE_ROWS * (2 * batch->blocks * TERN_LANES + PANEL);
    work.scratch_floats = (work.scratch_floats + 15) / 16 * 16;
    work.scratch = tern_workspace_take(workspace, threads * work.scratch_floats, sizeof(float));
    tern_gemm project = projection(&work, NULL, all_steps);
    work.gemm_scratch = tern_workspace_take(
        workspace, (int64_t)TERN_LEVEL(tern_gemm_scratch_up_to)(&project, threads), 1);
    return work;
}

/* ---------------------------------------------------------- preparing -- */

static void fill_bias(const forward_work *work)
{
    const tern_tensor *b_ih = work->call->in[TERN_GRU_B_IH];
    const tern_tensor *b_hh = work->call->in[TERN_GRU_B_HH];
    int64_t hidden = work->batch.hidden;
    for (int64_t k = 0; k < GATES * hidden; k++)
        work->bias[k] = (b_ih ? ((const float *)b_ih->data)[k] : 0) +
                        (b_hh && k < 2 * hidden ? ((const float *)b_hh->data)[k] : 0);
}

/* ------------------------------------------------------- through time -- */

/* Where one row's step reads and writes. */
typedef struct row_step {
    float *gates;          /* [gate_stride]                           */
    const float *h_before; /* [blocks * lanes]                        */
    float *y;              /* [H]                                     */
    float *h;              /* [blocks * lanes], h for the next step   */
} row_step;

/* From the three sums of one block to its h. */
static void gates_forward(const forward_work *work, int64_t block, const float *sums,
                          const row_step *at)
{
    const tern_tensor *b_hh = work->call->in[TERN_GRU_B_HH];
    int64_t hidden = work->batch.hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(&work->batch, block);
    float *gates = at->gates + j;
    tern_vf inside = tern_load(sums + 2 * TERN_LANES); /* the reset gate's brackets */
    if (b_hh)
        inside += tern_load_part((const float *)b_hh->data + 2 * hidden + j, width);

    tern_vf r = tern_vsigmoid(tern_load_part(gates, width) + tern_load(sums));
    tern_vf z = tern_vsigmoid(tern_load_part(gates + hidden, width) +
                              tern_load(sums + TERN_LANES));
    tern_vf m = tern_vtanh(tern_load_part(gates + 2 * hidden, width) + r * inside);
    tern_vf h = (1.0f - z) * m + z * tern_load_part(at->h_before + j, width);

    tern_store_part(at->y + j, h, width);
    tern_store(at->h + j, h);
    if (!work->call->saved[TERN_GRU_GATES])
        return;
    tern_store_part(gates, r, width);
    tern_store_part(gates + hidden, z, width);
    tern_store_part(gates + 2 * hidden, m, width);
    tern_store_part(gates + 3 * hidden, inside, width);
}

static row_step row_step_at(const forward_work *work, const sequence_slice *slice, int64_t r,
                            int64_t step, const float *h, float *h_after)
{
    const sequence_batch *batch = &work->batch;
    int64_t position = sequence_position(batch, slice->length[r], step);
    int64_t hidden = batch->hidden, stride = batch->blocks * TERN_LANES;
    float *y = work->call->out[TERN_GRU_Y]->data;
    return (row_step){
        .gates = work->gates + (slice->first[r] + position) * work->gate_stride,
        .h_before = h + r * stride,
        .y = y + (slice->row[r] * batch->steps + position) * hidden,
        .h = h_after + r * stride,
    };
}

/* One step of a slice's active rows. */
typedef struct step_job {
    const forward_work *work;
    const row_step *at; /* [active] */
    const float *h;     /* [active][blocks * lanes] */
    int64_t active, tile_blocks;
} step_job;

static float *scratch_of(const forward_work *work, int worker)
{
    return work->scratch + worker * work->scratch_floats;
}

static void run_blocks(void *argument, int64_t tile, int worker)
{
    const step_job *job = argument;
    const forward_work *work = job->work;
    const sequence_batch *batch = &work->batch;
    int64_t hidden = batch->hidden, stride = batch->blocks * TERN_LANES;
    int64_t end = (tile + 1) * job->tile_blocks;
    float *sums = scratch_of(work, worker) + 2 * SEQUENCE_SLICE_ROWS * stride;

    for (int64_t block = tile * job->tile_blocks; block < end && block < batch->blocks; block++) {
        tern_small_product recurrence = {
            .rows = job->active, .columns = PANEL, .depth = hidden, .a = job->h,
            .a_stride = stride, .a_depth_stride = 1, .b = work->packed + block * hidden * PANEL,
            .b_stride = PANEL, .c = sums, .c_stride = PANEL,
        };
        tern_small_product_run(&recurrence);
        for (int64_t r = 0; r < job->active; r++)
            gates_forward(work, block, sums + r * PANEL, &job->at[r]);
    }
}

/* A slice that is the only one shares each step's blocks among the threads. */
static void run_steps(const forward_work *work, const sequence_slice *slice, int worker)
{
    const sequence_batch *batch = &work->batch;
    int64_t stride = batch->blocks * TERN_LANES;
    bool alone = sequence_slices(batch) == 1;
    float *h = scratch_of(work, worker), *h_after = h + SEQUENCE_SLICE_ROWS * stride;
    step_job job = { .work = work, .tile_blocks = batch->blocks };

    if (alone)
        job.tile_blocks = sequence_tile_blocks(batch, slice->rows * PANEL);
    for (int64_t step = 0; step < slice->length[0]; step++) {
        row_step at[SEQUENCE_SLICE_ROWS];
        job.active = sequence_active_rows(slice, step);
        for (int64_t r = 0; r < job.active; r++)
            at[r] = row_step_at(work, slice, r, step, h, h_after);
        job.at = at;
        job.h = h;
        if (alone)
            tern_parallel(tern_ctx_pool(work->call->ctx),
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
    const forward_work *work = argument;
    const sequence_batch *batch = &work->batch;
    const tern_call *call = work->call;
    sequence_slice slice = sequence_slice_at(batch, number);
    int64_t hidden = batch->hidden, stride = batch->blocks * TERN_LANES;
    size_t state_bytes = (size_t)hidden * sizeof(float);
    float *h = scratch_of(work, worker);
    float *y = call->out[TERN_GRU_Y]->data, *h_n = call->out[TERN_GRU_H_N]->data;

    for (int64_t r = 0; r < slice.rows; r++) {
        sequence_load_state(call->in[TERN_GRU_H0], slice.row[r], hidden, h + r * stride);
        memcpy(h_n + slice.row[r] * hidden, h + r * stride, state_bytes);
    }
    run_steps(work, &slice, worker);
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

static void gru_forward(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    tern_pool *pool = tern_ctx_pool(call->ctx);
    forward_work work = forward_work_take(call, &workspace);
    if (work.batch.rows == 0)
        return;
    sequence_batch_fill(&work.batch, call->in[TERN_GRU_LENGTHS]);
    fill_bias(&work);
    work.packed = sequence_packed_weight(call, TERN_GRU_W_HH, &work.batch, GATES, work.packed);
    const float *x = sequence_compact_x(call->in[TERN_GRU_X], &work.batch, work.x_room);
    tern_gemm project = projection(&work, x, work.batch.valid);
    if (!work.packed ||
        !tern_gemm_take_weight(call, TERN_GRU_W_IH, &TERN_LEVEL(tern_gemm_hand), &project))
        return;
    TERN_LEVEL(tern_gemm_run)(pool, &project);
    tern_parallel(pool, sequence_slices(&work.batch), run_slice, &work);
}

static size_t forward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    forward_work_take(call, &workspace);
    return workspace.used;
}

const tern_impl TERN_LEVEL(tern_gru_cpu) = {
    .op = "gru", .backend = "cpu", .provider = "hand",
    .forward = gru_forward, .backward = TERN_LEVEL(tern_gru_backward),
    .forward_workspace = forward_workspace,
    .backward_workspace = TERN_LEVEL(tern_gru_backward_workspace),
};
