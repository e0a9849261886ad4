/* The recurrent ops' backward pass; sequence_backward.h tells how it goes. */
#include "kernels/lstm/sequence_backward.h"

#include "kernels/matmul/gemm.h"
#include "kernels/matmul/small_product.h"

enum { PANEL = 4 * TERN_LANES, FOR_WRITING = 1 };

/* --------------------------------------------- the products over steps -- */

static float *grad_data(const tern_call *call, int input)
{
    return call->grad_in[input] ? call->grad_in[input]->data : NULL;
}

/* d' times `operand` [valid, columns]: the gradient of w_ih or w_hh. */
static tern_gemm weight_gradient(const sequence_backward *pass, int input, const float *d,
                                 const float *operand, int64_t columns, int64_t valid)
{
    int64_t sums = pass->gates * pass->batch.hidden;
    return (tern_gemm){ .m = sums, .n = columns, .k = valid, .a = d, .b = operand,
                        .c = grad_data(pass->call, input), .a_stride = sums,
                        .b_stride = columns, .c_stride = columns, .a_transposed = true,
                        .accumulate = pass->call->accumulate[input],
                        .scratch = pass->gemm_scratch };
}

static tern_gemm input_gradient(const sequence_backward *pass, float *grad_x, bool accumulate,
                                int64_t valid)
{
    int64_t inputs = pass->batch.inputs, sums = pass->gates * pass->batch.hidden;
    return (tern_gemm){ .m = valid, .n = inputs, .k = sums, .a = pass->d_input,
                        .b = pass->call->in[TERN_SEQUENCE_W_IH]->data, .c = grad_x,
                        .a_stride = sums, .b_stride = inputs, .c_stride = inputs,
                        .accumulate = accumulate, .scratch = pass->gemm_scratch };
}

/* Scratch for any of the three products and any number of valid steps. */
static size_t gemm_scratch_bytes(const sequence_backward *pass, int threads)
{
    const sequence_batch *batch = &pass->batch;
    int64_t steps = batch->rows * batch->steps;
    tern_gemm products[] = {
        weight_gradient(pass, TERN_SEQUENCE_W_IH, NULL, NULL, batch->inputs, steps),
        weight_gradient(pass, TERN_SEQUENCE_W_HH, NULL, NULL, batch->hidden, steps),
        input_gradient(pass, NULL, false, steps),
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        size_t bytes = TERN_LEVEL(tern_gemm_scratch_up_to)(&products[i], threads);
        most = bytes > most ? bytes : most;
    }
    return most;
}

void TERN_LEVEL(tern_sequence_backward_take)(sequence_backward *pass, bool reverse,
                                             tern_workspace *workspace)
{
    const tern_call *call = pass->call;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    pass->batch = sequence_batch_take(call->in[TERN_SEQUENCE_X],
                                      call->in[TERN_SEQUENCE_W_HH]->shape[1], reverse, workspace);
    const sequence_batch *batch = &pass->batch;
    int64_t steps = batch->rows * batch->steps, hidden = batch->hidden;
    int64_t sums = pass->gates * hidden;

    pass->panels = (hidden + PANEL - 1) / PANEL;
    pass->packed = tern_workspace_take(workspace, pass->panels * sums * PANEL, sizeof(float));
    pass->d_hidden = tern_workspace_take(workspace, steps * sums, sizeof(float));
    pass->d_input = pass->d_hidden;
    if (pass->input_apart)
        pass->d_input = tern_workspace_take(workspace, steps * sums, sizeof(float));
    pass->h_before = tern_workspace_take(workspace, steps * hidden, sizeof(float));
    if (call->in[TERN_SEQUENCE_LENGTHS]) {
        pass->x_room = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
        pass->grad_x = tern_workspace_take(workspace, steps * batch->inputs, sizeof(float));
    }
    /* dh, dc and d_hidden of a slice */
    pass->scratch_floats =
        SEQUENCE_SLICE_ROWS * (pass->panels * PANEL + batch->blocks * TERN_LANES + sums);
    pass->scratch_floats = (pass->scratch_floats + 15) / 16 * 16;
    pass->scratch = tern_workspace_take(workspace, threads * pass->scratch_floats, sizeof(float));
    pass->gemm_scratch = tern_workspace_take(
        workspace, (int64_t)gemm_scratch_bytes(pass, threads), 1);
}

/* w_hh as it is stored, [gates*H, H], cut into panels of columns; zeros beyond H. */
static void pack_panel(void *argument, int64_t panel, int worker)
{
    const sequence_backward *pass = argument;
    int64_t hidden = pass->batch.hidden, first = panel * PANEL, sums = pass->gates * hidden;
    int64_t width = hidden - first < PANEL ? hidden - first : PANEL;
    const float *w_hh = (const float *)pass->call->in[TERN_SEQUENCE_W_HH]->data + first;
    float *packed = pass->packed + panel * sums * PANEL;
    (void)worker;

    for (int64_t k = 0; k < sums; k++) {
        memcpy(packed + k * PANEL, w_hh + k * hidden, (size_t)width * sizeof(float));
        memset(packed + k * PANEL + width, 0, (size_t)(PANEL - width) * sizeof(float));
    }
}

/* -------------------------------------------------- back through time -- */

/* What a slice in work has of its own. */
typedef struct slice_run {
    const sequence_backward *pass;
    sequence_slice slice;
    float *dh;       /* [rows][panels * PANEL]  */
    float *dc;       /* [rows][blocks * lanes]  */
    float *d_hidden; /* [rows][gates*H]         */
} slice_run;

static slice_run slice_run_at(const sequence_backward *pass, int64_t number, int worker)
{
    slice_run run = { .pass = pass, .slice = sequence_slice_at(&pass->batch, number) };
    run.dh = pass->scratch + worker * pass->scratch_floats;
    run.dc = run.dh + SEQUENCE_SLICE_ROWS * pass->panels * PANEL;
    run.d_hidden = run.dc + SEQUENCE_SLICE_ROWS * pass->batch.blocks * TERN_LANES;
    return run;
}

/* Compact number of a row's step. */
static int64_t compact_step(const slice_run *run, int64_t r, int64_t step)
{
    return run->slice.first[r] +
           sequence_position(&run->pass->batch, run->slice.length[r], step);
}

/* c after a row's step, or c0 before its first; NULL for zeros. */
static const float *cell_at(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    int64_t hidden = pass->batch.hidden;
    if (step >= 0)
        return (const float *)pass->cells->data + compact_step(run, r, step) * hidden;
    const tern_tensor *c0 = pass->call->in[pass->c0];
    return c0 ? (const float *)c0->data + run->slice.row[r] * hidden : NULL;
}

static sequence_row_back row_at(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    const sequence_batch *batch = &pass->batch;
    int64_t hidden = batch->hidden, sums = pass->gates * hidden;
    int64_t position = sequence_position(batch, run->slice.length[r], step);
    int64_t compact = run->slice.first[r] + position;
    return (sequence_row_back){
        .gates = (float *)pass->call->saved[TERN_SEQUENCE_GATES]->data + compact * 4 * hidden,
        .cell = pass->cells ? cell_at(run, r, step) : NULL,
        .c_before = pass->cells ? cell_at(run, r, step - 1) : NULL,
        .h_before = pass->h_before + compact * hidden,
        .grad_y = (float *)pass->call->grad_out[TERN_SEQUENCE_Y]->data +
                  (run->slice.row[r] * batch->steps + position) * hidden,
        .dh = run->dh + r * pass->panels * PANEL,
        .dc = run->dc + r * batch->blocks * TERN_LANES,
        .d_hidden = run->d_hidden + r * sums,
        .d_input = pass->d_input + compact * sums,
    };
}

/* A step's rows lie far apart in memory, so the processor cannot foresee them: while one
 * block is computed, the same block of the step to come is fetched. */
static void fetch_block(const sequence_backward *pass, int64_t block, const sequence_row_back *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    for (int64_t gate = 0; gate < 4; gate++)
        __builtin_prefetch(at->gates + gate * hidden + j);
    for (int64_t gate = 0; gate < pass->gates; gate++)
        __builtin_prefetch(at->d_input + gate * hidden + j, FOR_WRITING);
    if (at->c_before)
        __builtin_prefetch(at->c_before + j);
    __builtin_prefetch(at->h_before + j, FOR_WRITING);
    __builtin_prefetch(at->grad_y + j);
}

/* Copies h[t-1] beside the other steps', for the products over steps. */
static void keep_h_before(const slice_run *run, int64_t r, int64_t step)
{
    const sequence_backward *pass = run->pass;
    const sequence_batch *batch = &pass->batch;
    int64_t row = run->slice.row[r], hidden = batch->hidden;
    float *kept = pass->h_before + compact_step(run, r, step) * hidden;
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
    int64_t sums = pass->gates * pass->batch.hidden;
    sequence_row_back at = row_at(run, r, step), before;
    if (step > 0)
        before = row_at(run, r, step - 1);

    keep_h_before(run, r, step);
    for (int64_t block = 0; block < pass->batch.blocks; block++) {
        if (step > 0)
            fetch_block(pass, block, &before);
        pass->formula(pass, block, &at);
    }
    memcpy(pass->d_hidden + compact_step(run, r, step) * sums, at.d_hidden,
           (size_t)sums * sizeof(float));
}

static void run_steps(const slice_run *run)
{
    const sequence_backward *pass = run->pass;
    int64_t sums = pass->gates * pass->batch.hidden;
    for (int64_t step = run->slice.length[0] - 1; step >= 0; step--) {
        int64_t active = sequence_active_rows(&run->slice, step);
        for (int64_t r = 0; r < active; r++)
            run_row(run, r, step);
        for (int64_t panel = 0; panel < pass->panels; panel++) {
            int64_t left = (pass->batch.blocks - panel * 4) * TERN_LANES;
            tern_small_product recurrence = {
                .rows = active, .columns = left < PANEL ? left : PANEL, .depth = sums,
                .a = run->d_hidden, .a_stride = sums, .a_depth_stride = 1,
                .b = pass->packed + panel * sums * PANEL, .b_stride = PANEL,
                .c = run->dh + panel * PANEL, .c_stride = pass->panels * PANEL,
                .accumulate = pass->passes_h_on,
            };
            tern_small_product_run(&recurrence);
        }
    }
}

/* Running gradients of the slice's rows begin with those of the last state. */
static void load_gradients(const slice_run *run, int output, float *to, int64_t stride)
{
    const tern_tensor *grad = run->pass->call->grad_out[output];
    memset(to, 0, (size_t)(run->slice.rows * stride) * sizeof(float));
    for (int64_t r = 0; r < run->slice.rows; r++)
        sequence_load_state(grad, run->slice.row[r], run->pass->batch.hidden, to + r * stride);
}

/* And end as those of the first. */
static void store_gradients(const slice_run *run, int input, const float *from, int64_t stride)
{
    int64_t hidden = run->pass->batch.hidden;
    bool accumulate = run->pass->call->accumulate[input];
    float *grad = grad_data(run->pass->call, input);
    for (int64_t r = 0; grad && r < run->slice.rows; r++)
        for (int64_t j = 0; j < hidden; j++) {
            float *to = grad + run->slice.row[r] * hidden + j;
            *to = (accumulate ? *to : 0) + from[r * stride + j];
        }
}

static void run_slice(void *argument, int64_t number, int worker)
{
    const sequence_backward *pass = argument;
    slice_run run = slice_run_at(pass, number, worker);
    int64_t dh_stride = pass->panels * PANEL, dc_stride = pass->batch.blocks * TERN_LANES;

    load_gradients(&run, TERN_SEQUENCE_H_N, run.dh, dh_stride);
    if (pass->cells)
        load_gradients(&run, pass->c_n, run.dc, dc_stride);
    run_steps(&run);
    store_gradients(&run, TERN_SEQUENCE_H0, run.dh, dh_stride);
    if (pass->cells)
        store_gradients(&run, pass->c0, run.dc, dc_stride);
}

/* ------------------------------------------------------- after the steps -- */

static void sum_columns(const sequence_backward *pass, int input, const float *d, int64_t k)
{
    int64_t sums = pass->gates * pass->batch.hidden;
    int64_t width = sums - k < TERN_LANES ? sums - k : TERN_LANES;
    float *grad = grad_data(pass->call, input);
    tern_vf sum = { 0 };
    if (!grad)
        return;
    for (int64_t step = 0; step < pass->batch.valid; step++)
        sum += tern_load_part(d + step * sums + k, width);
    if (pass->call->accumulate[input])
        sum += tern_load_part(grad + k, width);
    tern_store_part(grad + k, sum, width);
}

/* One vector of the biases' gradients: sums over all steps. */
static void bias_columns(void *argument, int64_t tile, int worker)
{
    const sequence_backward *pass = argument;
    (void)worker;
    sum_columns(pass, TERN_SEQUENCE_B_IH, pass->d_input, tile * TERN_LANES);
    sum_columns(pass, TERN_SEQUENCE_B_HH, pass->d_hidden, tile * TERN_LANES);
}

static void scatter_grad_x(void *argument, int64_t row, int worker)
{
    const sequence_backward *pass = argument;
    (void)worker;
    sequence_scatter_row(&pass->batch, row, pass->grad_x, grad_data(pass->call, TERN_SEQUENCE_X),
                         pass->call->accumulate[TERN_SEQUENCE_X]);
}

static void gradient_of_x(tern_pool *pool, sequence_backward *pass)
{
    float *grad_x = grad_data(pass->call, TERN_SEQUENCE_X);
    bool accumulate = pass->call->accumulate[TERN_SEQUENCE_X];
    bool padding = sequence_has_padding(&pass->batch);
    tern_gemm gemm = input_gradient(pass, padding ? pass->grad_x : grad_x, !padding && accumulate,
                                    pass->batch.valid);
    TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    if (padding)
        tern_parallel(pool, pass->batch.rows, scatter_grad_x, pass);
}

void TERN_LEVEL(tern_sequence_backward_run)(sequence_backward *pass)
{
    const tern_call *call = pass->call;
    tern_pool *pool = tern_ctx_pool(call->ctx);
    sequence_batch *batch = &pass->batch;
    int64_t sums = pass->gates * batch->hidden;
    sequence_batch_fill(batch, call->in[TERN_SEQUENCE_LENGTHS]);

    tern_parallel(pool, pass->panels, pack_panel, pass);
    tern_parallel(pool, sequence_slices(batch), run_slice, pass);
    if (call->grad_in[TERN_SEQUENCE_W_IH]) {
        const float *x = sequence_compact_x(call->in[TERN_SEQUENCE_X], batch, pass->x_room);
        tern_gemm gemm = weight_gradient(pass, TERN_SEQUENCE_W_IH, pass->d_input, x,
                                         batch->inputs, batch->valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_SEQUENCE_W_HH]) {
        tern_gemm gemm = weight_gradient(pass, TERN_SEQUENCE_W_HH, pass->d_hidden,
                                         pass->h_before, batch->hidden, batch->valid);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_SEQUENCE_B_IH] || call->grad_in[TERN_SEQUENCE_B_HH])
        tern_parallel(pool, (sums + TERN_LANES - 1) / TERN_LANES, bias_columns, pass);
    if (call->grad_in[TERN_SEQUENCE_X])
        gradient_of_x(pool, pass);
}
