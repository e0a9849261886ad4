/* The contract of lstm; see lstm.h for the formulas and shapes. */
#include "kernels/lstm/lstm.h"

static const tern_option options[] = {
    { .name = "reverse", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_lstm_opts, reverse),
      .doc = "run each row from its last valid step to its first" },
    { 0 },
};

static void lstm_shape(tern_call *call)
{
    const tern_tensor *x = call->in[TERN_LSTM_X];
    if (!tern_sequence_shape(call, 4) || !tern_sequence_check_state(call, TERN_LSTM_C0))
        return;
    int64_t hidden = call->in[TERN_LSTM_W_HH]->shape[1];
    tern_declare_out(call, TERN_LSTM_C_N, x->dtype, 2, (int64_t[]){ x->shape[0], hidden });
    tern_declare_saved(call, TERN_LSTM_GATES, x->dtype, 3,
                       (int64_t[]){ x->shape[0], x->shape[1], 4 * hidden });
    tern_declare_saved(call, TERN_LSTM_CELLS, x->dtype, 3,
                       (int64_t[]){ x->shape[0], x->shape[1], hidden });
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
    { TERN_SAMPLE_CHECK, "x=[29,3,2] w_ih=[124,2] w_hh=[124,31] b_ih=[124] c0=[29,31]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,2,19] w_ih=[68,19] w_hh=[68,17] b_hh=[68] h0=[5,17]",
      "reverse=true" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2] w_ih=[8,2] w_hh=[8,2] lengths=[2]{0..0} h0=[2,2] c0=[2,2]",
      "" },
    { TERN_SAMPLE_CHECK, "x=[1,3,5] w_ih=[600,5] w_hh=[600,150] b_hh=[600]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,3] w_ih=[8,3] w_hh=[8,2] b_ih=[8] h0=[2,2] c0=[2,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3,2] w_ih=[8,2] w_hh=[8,2] b_ih=[8]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[1,100,128] w_ih=[512,128]{-0.1..0.1} w_hh=[512,128]{-0.1..0.1} "
      "b_ih=[512] b_hh=[512]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[16,100,128] w_ih=[512,128]{-0.1..0.1} w_hh=[512,128]{-0.1..0.1} "
      "b_ih=[512] b_hh=[512] lengths=[16]{60..100}",
      "" },
    { TERN_SAMPLE_BENCH,
      "x=[32,50,256] w_ih=[1024,256]{-0.1..0.1} w_hh=[1024,256]{-0.1..0.1} "
      "b_ih=[1024] b_hh=[1024]", "" },
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
    .cost = tern_sequence_cost,
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
