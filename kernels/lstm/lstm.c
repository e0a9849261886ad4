/* The contract of lstm; see lstm.h for the formulas and shapes. */
#include "kernels/lstm/lstm.h"

static const tern_option options[] = {
    { .name = "reverse", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_lstm_opts, reverse),
      .doc = "run each row from its last valid step to its first" },
    { 0 },
};

static void lstm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[TERN_LSTM_X], *w_hh = call->in[TERN_LSTM_W_HH];
    char xt[TERN_SHAPE_TEXT], wt[TERN_SHAPE_TEXT];

    if (x->rank != 3) {
        tern_call_fail(call, TERN_ERR_SHAPE, "x must be [N,T,I], not %s", tern_shape_text(x, xt));
        return;
    }
    if (w_hh->rank != 2 || w_hh->shape[1] < 1 || w_hh->shape[0] != 4 * w_hh->shape[1]) {
        tern_call_fail(call, TERN_ERR_SHAPE, "w_hh must be [4H,H] with H >= 1, not %s",
                       tern_shape_text(w_hh, wt));
        return;
    }
    int64_t rows = x->shape[0], steps = x->shape[1], inputs = x->shape[2];
    int64_t hidden = w_hh->shape[1];
    if (!tern_sequence_check_shape(call, TERN_LSTM_W_IH, 2, 4 * hidden, inputs, "4H,I") ||
        !tern_sequence_check_shape(call, TERN_LSTM_B_IH, 1, 4 * hidden, 0, "4H") ||
        !tern_sequence_check_shape(call, TERN_LSTM_B_HH, 1, 4 * hidden, 0, "4H") ||
        !tern_sequence_check_shape(call, TERN_LSTM_LENGTHS, 1, rows, 0, "N") ||
        !tern_sequence_check_shape(call, TERN_LSTM_H0, 2, rows, hidden, "N,H") ||
        !tern_sequence_check_shape(call, TERN_LSTM_C0, 2, rows, hidden, "N,H"))
        return;

    tern_dtype real = x->dtype;
    tern_declare_out(call, TERN_LSTM_Y, real, 3, (int64_t[]){ rows, steps, hidden });
    tern_declare_out(call, TERN_LSTM_H_N, real, 2, (int64_t[]){ rows, hidden });
    tern_declare_out(call, TERN_LSTM_C_N, real, 2, (int64_t[]){ rows, hidden });
    tern_declare_saved(call, TERN_LSTM_GATES, real, 3, (int64_t[]){ rows, steps, 4 * hidden });
    tern_declare_saved(call, TERN_LSTM_CELLS, real, 3, (int64_t[]){ rows, steps, hidden });
}

static void lstm_cost(const tern_call *call, tern_cost *forward, tern_cost *backward)
{
    const tern_tensor *x = call->in[TERN_LSTM_X];
    double steps = (double)tern_extent(x, 0, 2);
    double weights = (double)(call->in[TERN_LSTM_W_IH]->count + call->in[TERN_LSTM_W_HH]->count);
    forward->flops = 2 * steps * weights;
    backward->flops = 4 * steps * weights;
}

/* CHECK: lengths, reverse, states and biases there and not, 31 units, a row alone with units
 * enough for several threads to share a step, nothing at all. */
static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK,
      "x=[2,5,3] w_ih=[16,3] w_hh=[16,4] b_ih=[16] b_hh=[16] lengths=[2]{1..5} h0=[2,4] c0=[2,4]",
      "" },
    { TERN_SAMPLE_CHECK,
      "x=[3,4,5] w_ih=[12,5] w_hh=[12,3] b_ih=[12] b_hh=[12] lengths=[3]{0..4} h0=[3,3] c0=[3,3]",
      "reverse=true" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1] w_ih=[4,1] w_hh=[4,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[7,3,2] w_ih=[124,2] w_hh=[124,31] b_ih=[124]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,2,13] w_ih=[68,13] w_hh=[68,17] b_hh=[68] h0=[5,17]",
      "reverse=true" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2] w_ih=[8,2] w_hh=[8,2] lengths=[2]{0..0} h0=[2,2] c0=[2,2]",
      "" },
    { TERN_SAMPLE_CHECK, "x=[1,3,5] w_ih=[600,5] w_hh=[600,150] b_hh=[600]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,3] w_ih=[8,3] w_hh=[8,2] b_ih=[8] h0=[2,2] c0=[2,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3,2] w_ih=[8,2] w_hh=[8,2] b_ih=[8]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[1,100,128] w_ih=[512,128] w_hh=[512,128] b_ih=[512] b_hh=[512]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[16,100,128] w_ih=[512,128] w_hh=[512,128] b_ih=[512] b_hh=[512] lengths=[16]{60..100}",
      "" },
    { TERN_SAMPLE_BENCH,
      "x=[32,50,256] w_ih=[1024,256] w_hh=[1024,256] b_ih=[1024] b_hh=[1024]", "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_lstm = {
    .name = "lstm",
    .summary = "LSTM layer over sequences with lengths, forwards or in reverse",
    .doc = "[i f g o] = x[n,t] w_ih' + b_ih + h[t-1] w_hh' + b_hh\n"
           "c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g);  y[n,t] = h[t] = "
           "sigmoid(o) * tanh(c[t])\n"
           "Beyond a row's length y is zero and the state passes unchanged.",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, T, I]" },
            { "w_ih", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[4H, I], gates i f g o" },
            { "w_hh", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[4H, H]" },
            { "b_ih", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[4H]" },
            { "b_hh", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[4H]" },
            { "lengths", TERN_INDEX, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N]" },
            { "h0", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, H]" },
            { "c0", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, H]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[N, T, H]" },
             { "h_n", TERN_REAL, 0, "[N, H]" },
             { "c_n", TERN_REAL, 0, "[N, H]" } },
    .saved = { { "gates", TERN_REAL, 0, "[N, T, 4H], activated" },
               { "cells", TERN_REAL, 0, "[N, T, H]" } },
    .options_size = sizeof(tern_lstm_opts),
    .options = options,
    .shape = lstm_shape,
    .cost = lstm_cost,
    .samples = samples,
};

tern_lstm_outputs tern_lstm(tern_ctx *ctx, tern_tensor *x, tern_lstm_weights weights,
                            tern_tensor *lengths, tern_tensor *h0, tern_tensor *c0,
                            tern_lstm_opts opts)
{
    tern_tensor *inputs[TERN_LSTM_INPUTS] = { x,            weights.w_ih, weights.w_hh,
                                              weights.b_ih, weights.b_hh, lengths,
                                              h0,           c0 };
    tern_tensor *outputs[TERN_LSTM_OUTPUTS];
    tern_apply(ctx, &tern_op_lstm, inputs, TERN_LSTM_INPUTS, &opts, outputs);
    return (tern_lstm_outputs){ outputs[0], outputs[1], outputs[2] };
}
