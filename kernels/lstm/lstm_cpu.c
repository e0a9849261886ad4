/* lstm on cpu, forward: sequence_forward.h with four gates, and cells beside h. */
#include "kernels/lstm/lstm_cpu.h"

#include "core/vmath.h"
#include "kernels/lstm/sequence_forward.h"

enum { GATES = 4 };

/* c = f c + i g, h = o tanh(c) */
static void gates_forward(const sequence_forward *pass, int64_t block, const float *sums,
                          const sequence_row *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(&pass->batch, block);
    float *gates = at->projected + j;
    tern_vf sum[GATES];

    for (int gate = 0; gate < GATES; gate++)
        sum[gate] = tern_load_part(gates + gate * hidden, width) +
                    tern_load(sums + gate * TERN_LANES);
    tern_vf i = tern_vsigmoid(sum[0]), f = tern_vsigmoid(sum[1]);
    tern_vf g = tern_vtanh(sum[2]), o = tern_vsigmoid(sum[3]);
    tern_vf c = f * tern_load_part(at->c + j, width) + i * g;
    tern_vf h = o * tern_vtanh(c);

    tern_store_part(at->c + j, c, width);
    tern_store_part(at->y + j, h, width);
    tern_store(at->h + j, h);
    if (!at->cell)
        return;
    tern_store_part(at->cell + j, c, width);
    tern_store_part(gates, i, width);
    tern_store_part(gates + hidden, f, width);
    tern_store_part(gates + 2 * hidden, g, width);
    tern_store_part(gates + 3 * hidden, o, width);
}

/* Gates and cells are kept where backward reads them. */
static sequence_forward take(const tern_call *call, tern_workspace *workspace)
{
    const tern_tensor *gates = call->saved[TERN_LSTM_GATES];
    sequence_forward pass = {
        .call = call, .gates = GATES, .formula = gates_forward,
        .at = { TERN_LSTM_X, TERN_LSTM_W_IH, TERN_LSTM_W_HH, TERN_LSTM_LENGTHS, TERN_LSTM_H0,
                TERN_LSTM_Y, TERN_LSTM_H_N },
        .projected = gates ? gates->data : NULL,
        .projected_stride = gates ? GATES * call->in[TERN_LSTM_W_HH]->shape[1] : 0,
    };
    TERN_LEVEL(tern_sequence_forward_take)(&pass, ((const tern_lstm_opts *)call->options)->reverse,
                                      workspace);
    pass.cells = gates ? call->saved[TERN_LSTM_CELLS]->data : NULL;
    pass.c = call->out[TERN_LSTM_C_N]->data;
    return pass;
}

static void add_biases(const sequence_forward *pass)
{
    const tern_tensor *b_ih = pass->call->in[TERN_LSTM_B_IH];
    const tern_tensor *b_hh = pass->call->in[TERN_LSTM_B_HH];
    for (int64_t k = 0; k < GATES * pass->batch.hidden; k++)
        pass->bias[k] = (b_ih ? ((const float *)b_ih->data)[k] : 0) +
                        (b_hh ? ((const float *)b_hh->data)[k] : 0);
}

static void lstm_forward(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    sequence_forward pass = take(call, &workspace);
    int64_t hidden = pass.batch.hidden;
    if (pass.batch.rows == 0)
        return;
    add_biases(&pass);
    for (int64_t row = 0; row < pass.batch.rows; row++)
        sequence_load_state(call->in[TERN_LSTM_C0], row, hidden, pass.c + row * hidden);
    TERN_LEVEL(tern_sequence_forward_run)(&pass, call);
}

static size_t forward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    take(call, &workspace);
    return workspace.used;
}

const tern_impl TERN_LEVEL(tern_lstm_cpu) = {
    .op = "lstm", .backend = "cpu", .provider = "hand",
    .forward = lstm_forward, .backward = TERN_LEVEL(tern_lstm_backward),
    .forward_workspace = forward_workspace,
    .backward_workspace = TERN_LEVEL(tern_lstm_backward_workspace),
};
