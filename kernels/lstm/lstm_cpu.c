/* lstm on cpu: sequence_forward.h and sequence_backward.h with four gates, and cells beside
 * h.  The saved gates [valid,4H] and cells [valid,H] are compact (sequence_batch.h). */
#include "kernels/lstm/lstm.h"

#include "core/vmath.h"
#include "kernels/lstm/sequence_backward.h"
#include "kernels/lstm/sequence_forward.h"

enum { GATES = 4 };

static bool in_reverse(const tern_call *call)
{
    const tern_lstm_opts *opts = call->options;
    return opts->reverse;
}

/* -------------------------------------------------------------- forward -- */

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
static sequence_forward take_forward(const tern_call *call, tern_workspace *workspace)
{
    const tern_tensor *gates = call->saved[TERN_LSTM_GATES];
    sequence_forward pass = {
        .call = call, .gates = GATES, .formula = gates_forward,
        .projected = gates ? gates->data : NULL,
        .projected_stride = gates ? GATES * call->in[TERN_LSTM_W_HH]->shape[1] : 0,
    };
    TERN_LEVEL(tern_sequence_forward_take)(&pass, in_reverse(call), workspace);
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
    sequence_forward pass = take_forward(call, &workspace);
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
    take_forward(call, &workspace);
    return workspace.used;
}

/* ------------------------------------------------------------- backward -- */

/* The formulas are those of lstm_ref.c. */
static void gates_backward(const sequence_backward *pass, int64_t block,
                           const sequence_row_back *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(&pass->batch, block);
    const float *gates = at->gates + j;
    tern_vf i = tern_load_part(gates, width), f = tern_load_part(gates + hidden, width);
    tern_vf g = tern_load_part(gates + 2 * hidden, width);
    tern_vf o = tern_load_part(gates + 3 * hidden, width);
    tern_vf c_before = at->c_before ? tern_load_part(at->c_before + j, width) : (tern_vf){ 0 };
    tern_vf tanh_c = tern_vtanh(tern_load_part(at->cell + j, width));
    tern_vf dh = tern_load(at->dh + j) + tern_load_part(at->grad_y + j, width);
    tern_vf dc = tern_load(at->dc + j) + dh * o * (1.0f - tanh_c * tanh_c);
    tern_vf sums[GATES] = {
        dc * g * i * (1.0f - i),
        dc * c_before * f * (1.0f - f),
        dc * i * (1.0f - g * g),
        dh * tanh_c * o * (1.0f - o),
    };
    tern_store(at->dc + j, dc * f);
    for (int gate = 0; gate < GATES; gate++)
        tern_store_part(at->d_hidden + gate * hidden + j, sums[gate], width);
}

static sequence_backward take_backward(const tern_call *call, tern_workspace *workspace)
{
    sequence_backward pass = {
        .call = call, .gates = GATES, .formula = gates_backward,
        .cells = call->saved[TERN_LSTM_CELLS], .c0 = TERN_LSTM_C0, .c_n = TERN_LSTM_C_N,
    };
    TERN_LEVEL(tern_sequence_backward_take)(&pass, in_reverse(call), workspace);
    return pass;
}

static void lstm_backward(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    sequence_backward pass = take_backward(call, &workspace);
    TERN_LEVEL(tern_sequence_backward_run)(&pass);
}

static size_t backward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    take_backward(call, &workspace);
    return workspace.used;
}

const tern_impl TERN_LEVEL(tern_lstm_cpu) = {
    .op = "lstm", .backend = "cpu", .provider = "hand",
    .forward = lstm_forward, .backward = lstm_backward,
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
    .packs = TERN_LEVEL(tern_sequence_forward_packs),
};
