/* The recurrent ops' backward pass, its chunks and the products over steps;
 * sequence_backward.h tells how it goes. */
#include "kernels/lstm/sequence_backward.h"

#include "kernels/matmul/gemm.h"

/* CHUNK_ROWS rows of d_hidden are 1 MiB for lstm at H = 128: they wait in L2 for the products
 * over steps, which are deep enough to be GEMM at full speed. */
enum { CHUNK_ROWS = 512 };

/* --------------------------------------------- the products over steps -- */

static float *grad_data(const tern_call *call, int input)
{
    return call->grad_in[input] ? call->grad_in[input]->data : NULL;
}

/* d' times `operand` [valid, columns]: the gradient of w_ih or w_hh. */
static tern_gemm weight_gradient(const sequence_backward *pass, int input, const float *d,
                                 const float *operand, int64_t columns)
{
    int64_t sums = pass->gates * pass->batch.hidden;
    return (tern_gemm){ .m = sums, .n = columns, .k = pass->chunk.valid, .a = d, .b = operand,
                        .c = grad_data(pass->call, input), .a_stride = sums,
                        .b_stride = columns, .c_stride = columns, .a_transposed = true,
                        .accumulate = pass->call->accumulate[input] || !pass->chunk.is_first,
                        .scratch = pass->gemm_scratch };
}

static tern_gemm input_gradient(const sequence_backward *pass)
{
    int64_t inputs = pass->batch.inputs, sums = pass->gates * pass->batch.hidden;
    return (tern_gemm){ .m = pass->chunk.valid, .n = inputs, .k = sums, .a = pass->d_input,
                        .b = pass->call->in[TERN_SEQUENCE_W_IH]->data, .c = pass->grad_x,
                        .a_stride = sums, .b_stride = inputs, .c_stride = inputs,
                        .scratch = pass->gemm_scratch };
}

/* Scratch for any of the three products and any number of valid steps. */
static size_t gemm_scratch_bytes(sequence_backward *pass, int64_t chunk_rows, int threads)
{
    pass->chunk.valid = chunk_rows;
    tern_gemm products[] = {
        weight_gradient(pass, TERN_SEQUENCE_W_IH, NULL, NULL, pass->batch.inputs),
        weight_gradient(pass, TERN_SEQUENCE_W_HH, NULL, NULL, pass->batch.hidden),
        input_gradient(pass),
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        size_t bytes = TERN_LEVEL(tern_gemm_scratch_up_to)(&products[i], threads);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Follows from the sizes alone, as the order of sums does from it. */
static int64_t steps_of_chunk(const sequence_batch *batch)
{
    int64_t steps = batch->rows > 0 ? CHUNK_ROWS / batch->rows : 0;
    if (steps > batch->steps)
        return batch->steps > 0 ? batch->steps : 1;
    return steps > 0 ? steps : 1;
}

static float *take_floats(tern_workspace *workspace, int64_t count)
{
    return tern_workspace_take(workspace, count, sizeof(float));
}

void TERN_LEVEL(tern_sequence_backward_take)(sequence_backward *pass, bool reverse,
                                             tern_workspace *workspace)
{
    const tern_call *call = pass->call;
    int threads = tern_pool_threads(tern_ctx_pool(call->ctx));
    pass->batch = sequence_batch_take(call->in[TERN_SEQUENCE_X],
                                      call->in[TERN_SEQUENCE_W_HH]->shape[1], reverse, workspace);
    const sequence_batch *batch = &pass->batch;
    int64_t rows = batch->rows, hidden = batch->hidden, sums = pass->gates * hidden;
    int64_t chunk_rows = rows * steps_of_chunk(batch);

    pass->chunk.first = tern_workspace_take(workspace, rows, sizeof(int64_t));
    pass->panels = (hidden + SEQUENCE_PANEL - 1) / SEQUENCE_PANEL;
    pass->packed = take_floats(workspace, pass->panels * sums * SEQUENCE_PANEL);
    pass->d_hidden = take_floats(workspace, chunk_rows * sums);
    pass->d_input = pass->input_apart ? take_floats(workspace, chunk_rows * sums)
                                      : pass->d_hidden;
    pass->h_before = take_floats(workspace, chunk_rows * hidden);
    pass->x = take_floats(workspace, chunk_rows * batch->inputs);
    pass->grad_x = take_floats(workspace, chunk_rows * batch->inputs);
    pass->dh = take_floats(workspace, rows * pass->panels * SEQUENCE_PANEL);
    pass->dc = take_floats(workspace, rows * batch->blocks * TERN_LANES);
    pass->bias_hidden = take_floats(workspace, sequence_slices(batch) * sums);
    pass->bias_input = pass->input_apart ? take_floats(workspace, sequence_slices(batch) * sums)
                                         : pass->bias_hidden;
    pass->scratch_floats = (SEQUENCE_SLICE_ROWS * sums + 15) / 16 * 16;
    pass->scratch = take_floats(workspace, threads * pass->scratch_floats);
    pass->gemm_scratch = tern_workspace_take(
        workspace, (int64_t)gemm_scratch_bytes(pass, chunk_rows, threads), 1);
}

/* w_hh as it is stored, [gates*H, H], cut into panels of columns; zeros beyond H. */
static void pack_panel(void *argument, int64_t panel, int worker)
{
    const sequence_backward *pass = argument;
    int64_t hidden = pass->batch.hidden, sums = pass->gates * hidden;
    int64_t first = panel * SEQUENCE_PANEL, left = hidden - first;
    int64_t width = left < SEQUENCE_PANEL ? left : SEQUENCE_PANEL;
    const float *w_hh = (const float *)pass->call->in[TERN_SEQUENCE_W_HH]->data + first;
    float *packed = pass->packed + panel * sums * SEQUENCE_PANEL;
    (void)worker;

    for (int64_t k = 0; k < sums; k++) {
        memcpy(packed + k * SEQUENCE_PANEL, w_hh + k * hidden, (size_t)width * sizeof(float));
        memset(packed + k * SEQUENCE_PANEL + width, 0,
               (size_t)(SEQUENCE_PANEL - width) * sizeof(float));
    }
}

/* ------------------------------------------------------------- the chunks -- */

/* Running gradients, rows in batch.order, begin with those of the last state. */
static void load_gradients(const sequence_backward *pass, int output, float *to, int64_t stride)
{
    const sequence_batch *batch = &pass->batch;
    const tern_tensor *grad = pass->call->grad_out[output];
    memset(to, 0, (size_t)(batch->rows * stride) * sizeof(float));
    for (int64_t place = 0; place < batch->rows; place++)
        sequence_load_state(grad, batch->order[place], batch->hidden, to + place * stride);
}

/* And end as those of the first. */
static void store_gradients(const sequence_backward *pass, int input, const float *from,
                            int64_t stride)
{
    const sequence_batch *batch = &pass->batch;
    bool accumulate = pass->call->accumulate[input];
    float *grad = grad_data(pass->call, input);
    for (int64_t place = 0; grad && place < batch->rows; place++)
        for (int64_t j = 0; j < batch->hidden; j++) {
            float *to = grad + batch->order[place] * batch->hidden + j;
            *to = (accumulate ? *to : 0) + from[place * stride + j];
        }
}

static void store_bias(const sequence_backward *pass, int input, const float *slices)
{
    int64_t sums = pass->gates * pass->batch.hidden, count = sequence_slices(&pass->batch);
    float *grad = grad_data(pass->call, input);
    if (!grad)
        return;
    if (!pass->call->accumulate[input])
        memset(grad, 0, (size_t)sums * sizeof(float));
    for (int64_t slice = 0; slice < count; slice++)
        sequence_add(grad, slices + slice * sums, sums);
}

/* Steps [step, end) of all rows, and where those of each row are in what is kept of them. */
static void enter_chunk(sequence_backward *pass, int64_t step)
{
    const sequence_batch *batch = &pass->batch;
    sequence_chunk *chunk = &pass->chunk;
    chunk->step = step;
    chunk->end = step + steps_of_chunk(batch);
    chunk->valid = 0;
    for (int64_t row = 0; row < batch->rows; row++) {
        int64_t begin, count = sequence_chunk_positions(pass, batch->length[row], &begin);
        chunk->first[row] = chunk->valid - begin;
        chunk->valid += count;
    }
}

/* A row's part of the chunk's grad_x; with the first chunk its padding, which has none. */
static void scatter_grad_x(void *argument, int64_t row, int worker)
{
    const sequence_backward *pass = argument;
    const sequence_batch *batch = &pass->batch;
    int64_t inputs = batch->inputs, length = batch->length[row], begin;
    int64_t count = sequence_chunk_positions(pass, length, &begin) * inputs;
    bool accumulate = pass->call->accumulate[TERN_SEQUENCE_X];
    float *grad = grad_data(pass->call, TERN_SEQUENCE_X) + row * batch->steps * inputs;
    const float *from = pass->grad_x + (pass->chunk.first[row] + begin) * inputs;
    (void)worker;

    if (accumulate)
        sequence_add(grad + begin * inputs, from, count);
    else if (count > 0)
        memcpy(grad + begin * inputs, from, (size_t)count * sizeof(float));
    if (pass->chunk.is_first && !accumulate)
        memset(grad + length * inputs, 0,
               (size_t)((batch->steps - length) * inputs) * sizeof(float));
}

static void run_chunk(sequence_backward *pass, tern_pool *pool)
{
    const tern_call *call = pass->call;
    const sequence_batch *batch = &pass->batch;
    tern_parallel(pool, sequence_slices(batch), TERN_LEVEL(tern_sequence_backward_slice), pass);
    if (call->grad_in[TERN_SEQUENCE_W_IH]) {
        tern_gemm gemm = weight_gradient(pass, TERN_SEQUENCE_W_IH, pass->d_input, pass->x,
                                         batch->inputs);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_SEQUENCE_W_HH]) {
        tern_gemm gemm = weight_gradient(pass, TERN_SEQUENCE_W_HH, pass->d_hidden,
                                         pass->h_before, batch->hidden);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
    }
    if (call->grad_in[TERN_SEQUENCE_X]) {
        tern_gemm gemm = input_gradient(pass);
        TERN_LEVEL(tern_gemm_run)(pool, &gemm);
        tern_parallel(pool, batch->rows, scatter_grad_x, pass);
    }
}

void TERN_LEVEL(tern_sequence_backward_run)(sequence_backward *pass)
{
    const tern_call *call = pass->call;
    tern_pool *pool = tern_ctx_pool(call->ctx);
    sequence_batch *batch = &pass->batch;
    int64_t dh_stride = pass->panels * SEQUENCE_PANEL, dc_stride = batch->blocks * TERN_LANES;
    size_t bias_bytes = (size_t)(sequence_slices(batch) * pass->gates * batch->hidden) *
                        sizeof(float);
    sequence_batch_fill(batch, call->in[TERN_SEQUENCE_LENGTHS]);
    int64_t longest = batch->rows > 0 ? batch->length[batch->order[0]] : 0;
    int64_t steps = steps_of_chunk(batch), chunks = (longest + steps - 1) / steps;

    tern_parallel(pool, pass->panels, pack_panel, pass);
    load_gradients(pass, TERN_SEQUENCE_H_N, pass->dh, dh_stride);
    if (pass->cells)
        load_gradients(pass, pass->c_n, pass->dc, dc_stride);
    memset(pass->bias_hidden, 0, bias_bytes);
    memset(pass->bias_input, 0, bias_bytes);
    /* At least one, since gradients without any step are zeros. */
    pass->chunk.is_first = true;
    for (int64_t chunk = chunks > 1 ? chunks - 1 : 0; chunk >= 0; chunk--) {
        enter_chunk(pass, chunk * steps);
        run_chunk(pass, pool);
        pass->chunk.is_first = false;
    }
    store_gradients(pass, TERN_SEQUENCE_H0, pass->dh, dh_stride);
    if (pass->cells)
        store_gradients(pass, pass->c0, pass->dc, dc_stride);
    store_bias(pass, TERN_SEQUENCE_B_IH, pass->bias_input);
    store_bias(pass, TERN_SEQUENCE_B_HH, pass->bias_hidden);
}
