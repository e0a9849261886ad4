/* gru on cpu, backward through time.
 *
 * 1. Each slice of the batch runs back through time.  A step turns the gradient of h
 *    into those of the three sums with w_ih and of the three with w_hh, which differ in
 *    the third alone, and goes on to the step before:
 *
 *        dh   ->   d_input[row][3H], d_hidden[row][3H]
 *        dh of the step before = z * dh + d_hidden w_hh
 *
 *    d_input, d_hidden and h[t-1] are kept for all steps, in compact order
 *    (kernels/lstm/sequence_batch.h).
 * 2. All that sums over steps is GEMM afterwards:
 *        grad w_ih = d_input' x   grad w_hh = d_hidden' h[t-1]   grad x = d_input w_ih
 */
#include "kernels/gru/gru_cpu.h"

#include "kernels/matmul/gemm.h"
#include "kernels/matmul/small_product.h"

enum { GATES = 3, PANEL = 4 * TERN_LANES };

typedef struct backward_work {
    const tern_call *call;
    sequence_batch batch;
    int64_t panels;   /* of PANEL columns, to hold H        */
    float *packed;    /* [panels][3H][PANEL] of w_hh        */
    float *d_input;   /* [valid, 3H]                        */
    float *d_hidden;  /* [valid, 3H]                        */
    float *h_before;  /* [valid, H] h[t-1]                  */
    float *x_room;    /* [valid, I]                         */
    float *grad_x;    /* [valid, I], if there are lengths   */
    float *scratch;   /* [threads][scratch_floats], for run_slice */
    int64_t scratch_floats;
    void *gemm_scratch;
} backward_work;

/* --------------------------------------------- the products over steps -- */

static float *grad_data(const tern_call *call, int input)
{
    return call->grad_in[input] ? call->grad_in[input]->data : NULL;
}

/* d' times `operand` [valid, columns]: the gradient of w_ih or w_hh. */
static tern_gemm weight_gradient(const backward_work *work, int input, const float *d,
                                 const float *operand, int64_t columns, int64_t valid)
{
    int64_t sums = GATES * work->batch.hidden;
    return (tern_gemm){ .m = sums, .n = columns, .k = valid, .a = d, .b = operand,
                        .c = grad_data(work->call, input), .a_stride = sums,
                        .b_stride = columns, .c_stride = columns, .a_transposed = true,
                        .accumulate = work->call->accumulate[input],
                        .scratch = work->gemm_scratch };
}

static tern_gemm input_gradient(const backward_work *work, float *grad_x, bool accumulate,
                                int64_t valid)
{
    int64_t inputs = work->batch.inputs, sums = GATES * work->batch.hidden;
    return (tern_gemm){ .m = valid, .n = inputs, .k = sums, .a = work->d_input,
                        .b = work->call->in[TERN_GRU_W_IH]->data, .c = grad_x, .a_stride = sums,
                        .b_stride = inputs, .c_stride = inputs, .accumulate = accumulate,
                        .scratch = work->gemm_scratch };
}

/* Scratch for any of the three products and any number of valid steps. */
static size_t gemm_scratch_bytes(const backward_work *work, int threads)
{
    const sequence_batch *batch = &work->batch;
    int64_t steps = batch->rows * batch->steps;
    tern_gemm products[] = {
        weight_gradient(work, TERN_GRU_W_IH, NULL, NULL, batch->inputs, steps),
        weight_gradient(work, TERN_GRU_W_HH, NULL, NULL, batch->hidden, steps),
        input_gradient(work, NULL, false, steps),
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        size_t bytes = TERN_LEVEL(tern_gemm_scratch_up_to)(&products[i], threads);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static backward_work backward_work_take(const tern_call *call, tern_workspace *workspace)
{
    backward_work work = { .call = call, .batch = gru_batch_take(call, workspace) };
    const sequence_batch *batch = &work.batch;
    int64_t steps = batch->rows * batch->steps, hidden = batch->hidden, sums = GATES * hidden;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));

    work.panels = (hidden + PANEL - 1) / PANEL;
    work.packed = tern_workspace_take(workspace, work.panels * sums * PANEL, sizeof(float));
    work.d_input = tern_workspace_take(workspace, steps * sums, sizeof(float));
    work.d_hidden = tern_workspace_take(workspace, steps * sums, sizeof(float));
    work.h_before = tern_workspace_take(workspace, steps * hidden, sizeof(float));
    if (call->in[TERN_GRU_LENGTHS]) {
        work.x_room = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
        work.grad_x = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
    }
    /* dh and d_hidden of a slice */
    work.scratch_floats = SEQUENCE_SLICE_ROWS * (work.panels * PANEL + sums);
    work.scratch_floats = (work.scratch_floats + 15) / 16 * 16;
    work.scratch = tern_workspace_take(workspace, threads * work.scratch_floats, sizeof(float));
    work.gemm_scratch = tern_workspace_take(
        workspace, (int64_t)gemm_scratch_bytes(&work, threads), 1);
    return work;
}

/* w_hh as it is stored, [3H, H], cut into panels of columns; zeros beyond H. */
static void pack_panel(void *argument, int64_t panel, int worker)
{
    const backward_work *work = argument;
    int64_t hidden = work->batch.hidden, first = panel * PANEL;
    int64_t width = hidden - first < PANEL ? hidden - first : PANEL;
    const float *w_hh = (const float *)work->call->in[TERN_GRU_W_HH]->data + first;
    float *packed = work->packed + panel * GATES * hidden * PANEL;
    (void)worker;

    for (int64_t k = 0; k < GATES * hidden; k++) {
        memcpy(packed + k * PANEL, w_hh + k * hidden, (size_t)width * sizeof(float));
        memset(packed + k * PANEL + width, 0, (size_t)(PANEL - width) * sizeof(float));
    }
}

/* -------------------------------------------------- back through time -- */

/* Where one row's step reads and writes; [H] each unless said. */
typedef struct row_step {
    const float *gates;    /* [4H] r, z, m, the sum inside m           */
    const float *h_before; /* h[t-1], kept                             */
    const float *grad_y;
    float *dh;             /* [panels * PANEL] running gradient        */
    float *d_hidden;       /* [3H] for this step's product             */
    float *d_input_kept, *d_hidden_kept; /* [3H] for the products over steps */
} row_step;

/* Also keeps h[t-1]. */
static row_step row_step_at(const backward_work *work, const sequence_slice *slice, int64_t r,
                            int64_t step, float *dh, float *d_hidden)
{
    const sequence_batch *batch = &work->batch;
    const tern_call *call = work->call;
    int64_t hidden = batch->hidden, row = slice->row[r], length = slice->length[r];
    int64_t position = sequence_position(batch, length, step);
    int64_t compact = slice->first[r] + position;
    float *h_before = work->h_before + compact * hidden;
    if (step > 0) {
        int64_t before = row * batch->steps + sequence_position(batch, length, step - 1);
        memcpy(h_before, (float *)call->out[TERN_GRU_Y]->data + before * hidden,
               (size_t)hidden * sizeof(float));
    } else {
        sequence_load_state(call->in[TERN_GRU_H0], row, hidden, h_before);
    }
    return (row_step){
        .gates = (float *)call->saved[TERN_GRU_GATES]->data + compact * 4 * hidden,
        .h_before = h_before,
        .grad_y = (float *)call->grad_out[TERN_GRU_Y]->data +
                  (row * batch->steps + position) * hidden,
        .dh = dh + r * work->panels * PANEL,
        .d_hidden = d_hidden + r * GATES * hidden,
        .d_input_kept = work->d_input + compact * GATES * hidden,
        .d_hidden_kept = work->d_hidden + compact * GATES * hidden,
    };
}

/* From the gradient of h[t] to those of the sums; dh becomes z * dh.  The formulas are
 * those of gru_ref.c. */
static void gates_backward(const sequence_batch *batch, int64_t block, const row_step *at)
{
    int64_t hidden = batch->hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(batch, block);
    const float *gates = at->gates + j;
    tern_vf r = tern_load_part(gates, width), z = tern_load_part(gates + hidden, width);
    tern_vf m = tern_load_part(gates + 2 * hidden, width);
    tern_vf inside = tern_load_part(gates + 3 * hidden, width);
    tern_vf before = tern_load_part(at->h_before + j, width);
    tern_vf dh = tern_load(at->dh + j) + tern_load_part(at->grad_y + j, width);
    tern_vf dm = dh * (1.0f - z) * (1.0f - m * m);
    tern_vf dr = dm * inside * r * (1.0f - r), dz = dh * (before - m) * z * (1.0f - z);
    tern_vf d_input[GATES] = { dr, dz, dm }, d_hidden[GATES] = { dr, dz, dm * r };

    tern_store(at->dh + j, dh * z);
    for (int gate = 0; gate < GATES; gate++) {
        int64_t k = gate * hidden + j;
        tern_store_part(at->d_input_kept + k, d_input[gate], width);
        tern_store_part(at->d_hidden_kept + k, d_hidden[gate], width);
        tern_store_part(at->d_hidden + k, d_hidden[gate], width);
    }
}

static void run_steps(const backward_work *work, const sequence_slice *slice, float *dh,
                      float *d_hidden)
{
    int64_t sums = GATES * work->batch.hidden;
    for (int64_t step = slice->length[0] - 1; step >= 0; step--) {
        int64_t active = sequence_active_rows(slice, step);
        for (int64_t r = 0; r < active; r++) {
            row_step at = row_step_at(work, slice, r, step, dh, d_hidden);
            for (int64_t block = 0; block < work->batch.blocks; block++)
                gates_backward(&work->batch, block, &at);
        }
        for (int64_t panel = 0; panel < work->panels; panel++) {
            int64_t left = (work->batch.blocks - panel * 4) * TERN_LANES;
            tern_small_product recurrence = {
                .rows = active, .columns = left < PANEL ? left : PANEL, .depth = sums,
                .a = d_hidden, .a_stride = sums, .a_depth_stride = 1,
                .b = work->packed + panel * sums * PANEL, .b_stride = PANEL,
                .c = dh + panel * PANEL, .c_stride = work->panels * PANEL, .accumulate = true,
            };
            tern_small_product_run(&recurrence);
        }
    }
}

static void run_slice(void *argument, int64_t number, int worker)
{
    const backward_work *work = argument;
    const sequence_batch *batch = &work->batch;
    const tern_call *call = work->call;
    sequence_slice slice = sequence_slice_at(batch, number);
    int64_t hidden = batch->hidden, dh_stride = work->panels * PANEL;
    float *dh = work->scratch + worker * work->scratch_floats;
    float *d_hidden = dh + SEQUENCE_SLICE_ROWS * dh_stride;
    float *grad_h0 = grad_data(call, TERN_GRU_H0);

    memset(dh, 0, (size_t)(SEQUENCE_SLICE_ROWS * dh_stride) * sizeof(float));
    for (int64_t r = 0; r < slice.rows; r++)
        sequence_load_state(call->grad_out[TERN_GRU_H_N], slice.row[r], hidden,
                            dh + r * dh_stride);
    run_steps(work, &slice, dh, d_hidden);
    for (int64_t r = 0; r < slice.rows && grad_h0; r++)
        for (int64_t j = 0; j < hidden; j++) {
            float *to = grad_h0 + slice.row[r] * hidden + j;
            *to = (call->accumulate[TERN_GRU_H0] ? *to : 0) + dh[r * dh_stride + j];
        }
}

/* ------------------------------------------------------- after the steps -- */

static void sum_columns(const backward_work *work, int input, const float *d, int64_t k)
{
    int64_t sums = GATES * work->batch.hidden;
    int64_t width = sums - k < TERN_LANES ? sums - k : TERN_LANES;
    float *grad = grad_data(work->call, input);
    tern_vf sum = { 0 };
    if (!grad)
        return;
    for (int64_t step = 0; step < work->batch.valid; step++)
        sum += tern_load_part(d + step * sums + k, width);
    if (work->call->accumulate[input])
        sum += tern_load_part(grad + k, width);
    tern_store_part(grad + k, sum, width);
}

/* One vector of the biases' gradients: sums over all steps. */
static void bias_columns(void *argument, int64_t tile, int worker)
{
    const backward_work *work = argument;
    (void)worker;
    sum_columns(work, TERN_GRU_B_IH, work->d_input, tile * TERN_LANES);
    sum_columns(work, TERN_GRU_B_HH, work->d_hidden, tile * TERN_LANES);
}

static void scatter_grad_x(void *argument, int64_t row, int worker)
{
    const backward_work *work = argument;
    (void)worker;
    sequence_scatter_row(&work->batch, row, work->grad_x, grad_data(work->call, TERN_GRU_X),
                         work->call->accumulate[TERN_GRU_X]);
}

static void gradient_of_x(tern_pool *pool, backward_work *work)
{
    float *grad_x = grad_data(work->call, TERN_GRU_X);
    bool accumulate = work->call->accumulate[TERN_GRU_X];
    bool padding = sequence_has_padding(&work->batch);
    tern_gemm gemm = input_gradient(work, padding ? work->grad_x : grad_x, !padding && accumulate,
                                    work->batch.valid);
    TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    if (padding)
        tern_parallel(pool, work->batch.rows, scatter_grad_x, work);
}

void TERN_LEVEL(tern_gru_backward)(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    tern_pool *pool = tern_ctx_pool(call->ctx);
    backward_work work = backward_work_take(call, &workspace);
    sequence_batch *batch = &work.batch;
    sequence_batch_fill(batch, call->in[TERN_GRU_LENGTHS]);

    tern_parallel(pool, work.panels, pack_panel, &work);
    tern_parallel(pool, sequence_slices(batch), run_slice, &work);
    if (call->grad_in[TERN_GRU_W_IH]) {
        const float *x = sequence_compact_x(call->in[TERN_GRU_X], batch, work.x_room);
        tern_gemm gemm = weight_gradient(&work, TERN_GRU_W_IH, work.d_input, x, batch->inputs,
                                         batch->valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_GRU_W_HH]) {
        tern_gemm gemm = weight_gradient(&work, TERN_GRU_W_HH, work.d_hidden, work.h_before,
                                         batch->hidden, batch->valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_GRU_B_IH] || call->grad_in[TERN_GRU_B_HH])
        tern_parallel(pool, (GATES * batch->hidden + TERN_LANES - 1) / TERN_LANES, bias_columns,
                      &work);
    if (call->grad_in[TERN_GRU_X])
        gradient_of_x(pool, &work);
}

size_t TERN_LEVEL(tern_gru_backward_workspace)(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    backward_work_take(call, &workspace);
    return workspace.used;
}
