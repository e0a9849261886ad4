/* lstm on cpu, backward through time.
 *
 * 1. Each slice of the batch runs back through time.  A step turns the gradients of
 *    h and c into those of the four sums, ds, and multiplies these by w_hh to give
 *    the step before its gradient of h:
 *
 *        dh, dc   ->   ds[row][4H]   ->   dh of the step before = ds w_hh
 *
 *    ds and h[t-1] are kept for all steps, in compact order (sequence_batch.h).
 * 2. All that sums over steps is GEMM afterwards:
 *        grad w_ih = ds' x     grad w_hh = ds' h[t-1]     grad x = ds w_ih
 */
#include "kernels/lstm/lstm_cpu.h"

#include "core/vmath.h"
#include "kernels/matmul/gemm.h"
#include "kernels/matmul/small_product.h"

#include <string.h>

enum { PANEL = 4 * TERN_LANES };

typedef struct backward_work {
    const tern_call *call;
    sequence_batch batch;
    int64_t panels;  /* of PANEL columns, to hold H                      */
    float *packed;   /* [panels][4H][PANEL] of w_hh                      */
    float *ds;       /* [valid, 4H] gradients of the sums before the gates */
    float *h_before; /* [valid, H] h[t-1]                                */
    float *x_room;   /* [valid, I]                                       */
    float *grad_x;   /* [valid, I], if there are lengths                 */
    float *scratch;  /* [threads][scratch_floats], for run_slice         */
    int64_t scratch_floats;
    void *gemm_scratch;
} backward_work;

/* --------------------------------------------- the products over steps -- */

static float *grad_data(const tern_call *call, int input)
{
    return call->grad_in[input] ? call->grad_in[input]->data : NULL;
}

/* ds' times `operand` [valid, columns]: the gradient of w_ih or w_hh. */
static tern_gemm weight_gradient(const backward_work *work, int input, const float *operand,
                                 int64_t columns, int64_t valid)
{
    int64_t sums = 4 * work->batch.hidden;
    return (tern_gemm){ .m = sums, .n = columns, .k = valid, .a = work->ds, .b = operand,
                        .c = grad_data(work->call, input), .a_stride = sums,
                        .b_stride = columns, .c_stride = columns, .a_transposed = true,
                        .accumulate = work->call->accumulate[input],
                        .scratch = work->gemm_scratch };
}

static tern_gemm input_gradient(const backward_work *work, float *grad_x, bool accumulate,
                                int64_t valid)
{
    int64_t inputs = work->batch.inputs, sums = 4 * work->batch.hidden;
    return (tern_gemm){ .m = valid, .n = inputs, .k = sums, .a = work->ds,
                        .b = work->call->in[TERN_LSTM_W_IH]->data, .c = grad_x, .a_stride = sums,
                        .b_stride = inputs, .c_stride = inputs, .accumulate = accumulate,
                        .scratch = work->gemm_scratch };
}

/* Scratch for any of the three products and any number of valid steps. */
static size_t gemm_scratch_bytes(const backward_work *work, int threads)
{
    const sequence_batch *batch = &work->batch;
    int64_t steps = batch->rows * batch->steps;
    tern_gemm products[] = {
        weight_gradient(work, TERN_LSTM_W_IH, NULL, batch->inputs, steps),
        weight_gradient(work, TERN_LSTM_W_HH, NULL, batch->hidden, steps),
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
    backward_work work = { .call = call, .batch = lstm_batch_take(call, workspace) };
    const sequence_batch *batch = &work.batch;
    int64_t steps = batch->rows * batch->steps, hidden = batch->hidden;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));

    work.panels = (hidden + PANEL - 1) / PANEL;
    work.packed = tern_workspace_take(workspace, work.panels * 4 * hidden * PANEL, sizeof(float));
    work.ds = tern_workspace_take(workspace, steps * 4 * hidden, sizeof(float));
    work.h_before = tern_workspace_take(workspace, steps * hidden, sizeof(float));
    if (call->in[TERN_LSTM_LENGTHS]) {
        work.x_room = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
        work.grad_x = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
    }
    /* dh, dc and ds of a slice */
    work.scratch_floats = SEQUENCE_SLICE_ROWS * (work.panels * PANEL + batch->blocks * TERN_LANES +
                                             4 * hidden);
    work.scratch_floats = (work.scratch_floats + 15) / 16 * 16;
    work.scratch = tern_workspace_take(workspace, threads * work.scratch_floats, sizeof(float));
    work.gemm_scratch = tern_workspace_take(
        workspace, (int64_t)gemm_scratch_bytes(&work, threads), 1);
    return work;
}

/* w_hh as it is stored, [4H, H], cut into panels of columns; zeros beyond H. */
static void pack_panel(void *argument, int64_t panel, int worker)
{
    const backward_work *work = argument;
    int64_t hidden = work->batch.hidden, first = panel * PANEL;
    int64_t width = hidden - first < PANEL ? hidden - first : PANEL;
    const float *w_hh = (const float *)work->call->in[TERN_LSTM_W_HH]->data + first;
    float *packed = work->packed + panel * 4 * hidden * PANEL;
    (void)worker;

    for (int64_t k = 0; k < 4 * hidden; k++) {
        memcpy(packed + k * PANEL, w_hh + k * hidden, (size_t)width * sizeof(float));
        memset(packed + k * PANEL + width, 0, (size_t)(PANEL - width) * sizeof(float));
    }
}

/* -------------------------------------------------- back through time -- */

/* Where one row's step reads and writes; [H] each unless said. */
typedef struct row_step {
    const float *gates;    /* [4H] activated                            */
    const float *cell;     /* c[t]                                      */
    const float *c_before; /* c[t-1], NULL for zeros                    */
    const float *h_before; /* h[t-1], NULL for zeros                    */
    const float *grad_y;
    float *dh, *dc;        /* [blocks * lanes] running gradients        */
    float *ds;             /* [4H] for this step's product              */
    float *ds_kept;        /* [4H] the same, for the products over steps */
    float *h_before_kept;
} row_step;

static row_step row_step_at(const backward_work *work, const sequence_slice *slice, int64_t r,
                            int64_t step, float *dh, float *dc, float *ds)
{
    const sequence_batch *batch = &work->batch;
    const tern_call *call = work->call;
    const float *cells = call->saved[TERN_LSTM_CELLS]->data;
    int64_t hidden = batch->hidden, row = slice->row[r], length = slice->length[r];
    int64_t position = sequence_position(batch, length, step);
    int64_t compact = slice->first[r] + position;
    int64_t before = sequence_position(batch, length, step - 1); /* valid if step > 0 */
    const tern_tensor *h0 = call->in[TERN_LSTM_H0], *c0 = call->in[TERN_LSTM_C0];
    row_step at = {
        .gates = (float *)call->saved[TERN_LSTM_GATES]->data + compact * 4 * hidden,
        .cell = cells + compact * hidden,
        .grad_y = (float *)call->grad_out[TERN_LSTM_Y]->data +
                  (row * batch->steps + position) * hidden,
        .dh = dh + r * work->panels * PANEL,
        .dc = dc + r * batch->blocks * TERN_LANES,
        .ds = ds + r * 4 * hidden,
        .ds_kept = work->ds + compact * 4 * hidden,
        .h_before_kept = work->h_before + compact * hidden,
    };
    if (step > 0) {
        at.c_before = cells + (slice->first[r] + before) * hidden;
        at.h_before = (float *)call->out[TERN_LSTM_Y]->data +
                      (row * batch->steps + before) * hidden;
    } else {
        at.c_before = c0 ? (float *)c0->data + row * hidden : NULL;
        at.h_before = h0 ? (float *)h0->data + row * hidden : NULL;
    }
    return at;
}

/* From the gradients of h[t] and c[t] to those of the sums and of c[t-1]; the
 * formulas are those of lstm_ref.c. */
static void gates_backward(const sequence_batch *batch, int64_t block, const row_step *at)
{
    int64_t hidden = batch->hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(batch, block);
    const float *gates = at->gates + j;
    tern_vf i = tern_load_part(gates, width), f = tern_load_part(gates + hidden, width);
    tern_vf g = tern_load_part(gates + 2 * hidden, width);
    tern_vf o = tern_load_part(gates + 3 * hidden, width);
    tern_vf c_before = at->c_before ? tern_load_part(at->c_before + j, width) : (tern_vf){ 0 };
    tern_vf tanh_c = tern_vtanh(tern_load_part(at->cell + j, width));
    tern_vf dh = tern_load(at->dh + j) + tern_load_part(at->grad_y + j, width);
    tern_vf dc = tern_load(at->dc + j) + dh * o * (1.0f - tanh_c * tanh_c);
    tern_vf ds[4] = {
        dc * g * i * (1.0f - i),
        dc * c_before * f * (1.0f - f),
        dc * i * (1.0f - g * g),
        dh * tanh_c * o * (1.0f - o),
    };
    tern_store(at->dc + j, dc * f);
    for (int gate = 0; gate < 4; gate++) {
        tern_store_part(at->ds + gate * hidden + j, ds[gate], width);
        tern_store_part(at->ds_kept + gate * hidden + j, ds[gate], width);
    }
}

static void run_steps(const backward_work *work, const sequence_slice *slice, float *dh,
                      float *dc, float *ds)
{
    int64_t hidden = work->batch.hidden;
    for (int64_t step = slice->length[0] - 1; step >= 0; step--) {
        int64_t active = sequence_active_rows(slice, step);
        for (int64_t r = 0; r < active; r++) {
            row_step at = row_step_at(work, slice, r, step, dh, dc, ds);
            for (int64_t block = 0; block < work->batch.blocks; block++)
                gates_backward(&work->batch, block, &at);
            if (at.h_before)
                memcpy(at.h_before_kept, at.h_before, (size_t)hidden * sizeof(float));
            else
                memset(at.h_before_kept, 0, (size_t)hidden * sizeof(float));
        }
        for (int64_t panel = 0; panel < work->panels; panel++) {
            int64_t left = (work->batch.blocks - panel * 4) * TERN_LANES;
            tern_small_product recurrence = {
                .rows = active, .columns = left < PANEL ? left : PANEL, .depth = 4 * hidden,
                .a = ds, .a_stride = 4 * hidden, .a_depth_stride = 1,
                .b = work->packed + panel * 4 * hidden * PANEL, .b_stride = PANEL,
                .c = dh + panel * PANEL, .c_stride = work->panels * PANEL,
            };
            tern_small_product_run(&recurrence);
        }
    }
}

/* [H] of a row of grad_h_n or grad_c_n to a padded running gradient. */
static void load_gradient(const tern_tensor *grad, int64_t row, const sequence_batch *batch,
                          float *to)
{
    size_t bytes = (size_t)batch->hidden * sizeof(float);
    memset(to, 0, (size_t)(batch->blocks * TERN_LANES) * sizeof(float));
    memcpy(to, (const float *)grad->data + row * batch->hidden, bytes);
}

static void store_gradient(const tern_call *call, int input, int64_t row, int64_t hidden,
                           const float *from)
{
    float *grad = grad_data(call, input);
    for (int64_t j = 0; grad && j < hidden; j++)
        grad[row * hidden + j] = (call->accumulate[input] ? grad[row * hidden + j] : 0) + from[j];
}

static void run_slice(void *argument, int64_t number, int worker)
{
    const backward_work *work = argument;
    const sequence_batch *batch = &work->batch;
    const tern_call *call = work->call;
    sequence_slice slice = sequence_slice_at(batch, number);
    int64_t dh_stride = work->panels * PANEL, dc_stride = batch->blocks * TERN_LANES;
    float *dh = work->scratch + worker * work->scratch_floats;
    float *dc = dh + SEQUENCE_SLICE_ROWS * dh_stride, *ds = dc + SEQUENCE_SLICE_ROWS * dc_stride;

    for (int64_t r = 0; r < slice.rows; r++) {
        load_gradient(call->grad_out[TERN_LSTM_H_N], slice.row[r], batch, dh + r * dh_stride);
        load_gradient(call->grad_out[TERN_LSTM_C_N], slice.row[r], batch, dc + r * dc_stride);
    }
    run_steps(work, &slice, dh, dc, ds);
    for (int64_t r = 0; r < slice.rows; r++) {
        store_gradient(call, TERN_LSTM_H0, slice.row[r], batch->hidden, dh + r * dh_stride);
        store_gradient(call, TERN_LSTM_C0, slice.row[r], batch->hidden, dc + r * dc_stride);
    }
}

/* ------------------------------------------------------- after the steps -- */

/* One vector of columns of ds, summed over all steps: the gradient of both biases. */
static void bias_columns(void *argument, int64_t tile, int worker)
{
    const backward_work *work = argument;
    const tern_call *call = work->call;
    int64_t sums = 4 * work->batch.hidden, k = tile * TERN_LANES;
    int64_t width = sums - k < TERN_LANES ? sums - k : TERN_LANES;
    tern_vf sum = { 0 };
    (void)worker;

    for (int64_t step = 0; step < work->batch.valid; step++)
        sum += tern_load_part(work->ds + step * sums + k, width);
    for (int input = TERN_LSTM_B_IH; input <= TERN_LSTM_B_HH; input++) {
        float *grad = grad_data(call, input);
        if (grad && call->accumulate[input])
            tern_store_part(grad + k, tern_load_part(grad + k, width) + sum, width);
        else if (grad)
            tern_store_part(grad + k, sum, width);
    }
}

static void scatter_grad_x(void *argument, int64_t row, int worker)
{
    const backward_work *work = argument;
    (void)worker;
    sequence_scatter_row(&work->batch, row, work->grad_x, grad_data(work->call, TERN_LSTM_X),
                         work->call->accumulate[TERN_LSTM_X]);
}

static void gradient_of_x(tern_pool *pool, backward_work *work)
{
    float *grad_x = grad_data(work->call, TERN_LSTM_X);
    if (!sequence_has_padding(&work->batch)) {
        tern_gemm gemm = input_gradient(work, grad_x, work->call->accumulate[TERN_LSTM_X],
                                        work->batch.valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
        return;
    }
    tern_gemm gemm = input_gradient(work, work->grad_x, false, work->batch.valid);
    TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    tern_parallel(pool, work->batch.rows, scatter_grad_x, work);
}

void TERN_LEVEL(tern_lstm_backward)(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    tern_pool *pool = tern_ctx_pool(call->ctx);
    backward_work work = backward_work_take(call, &workspace);
    sequence_batch_fill(&work.batch, call->in[TERN_LSTM_LENGTHS]);
    int64_t valid = work.batch.valid;

    tern_parallel(pool, work.panels, pack_panel, &work);
    tern_parallel(pool, sequence_slices(&work.batch), run_slice, &work);
    if (call->grad_in[TERN_LSTM_W_IH]) {
        const float *x = sequence_compact_x(call->in[TERN_LSTM_X], &work.batch, work.x_room);
        tern_gemm gemm = weight_gradient(&work, TERN_LSTM_W_IH, x, work.batch.inputs, valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_LSTM_W_HH]) {
        tern_gemm gemm = weight_gradient(&work, TERN_LSTM_W_HH, work.h_before,
                                         work.batch.hidden, valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_LSTM_B_IH] || call->grad_in[TERN_LSTM_B_HH])
        tern_parallel(pool, (4 * work.batch.hidden + TERN_LANES - 1) / TERN_LANES, bias_columns,
                      &work);
    if (call->grad_in[TERN_LSTM_X])
        gradient_of_x(pool, &work);
}

size_t TERN_LEVEL(tern_lstm_backward_workspace)(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    backward_work_take(call, &workspace);
    return workspace.used;
}
