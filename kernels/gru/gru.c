/* The contract of gru; see gru.h for the formulas and shapes. */
#include "kernels/gru/gru.h"

static const tern_option options[] = {
    { .name = "reverse", .type = TERN_OPTION_BOOL, .offset = offsetof(tern_gru_opts, reverse),
      .doc = "run each row from its last valid step to its first" },
    { 0 },
};

static void gru_shape(tern_call *call)
{
    const tern_tensor *x = call->in[TERN_GRU_X];
    if (!tern_sequence_shape(call, 3))
        return;
    int64_t hidden = call->in[TERN_GRU_W_HH]->shape[1];
    tern_declare_saved(call, TERN_GRU_GATES, x->dtype, 3,
                       (int64_t[]){ x->shape[0], x->shape[1], 4 * hidden });
}

static const tern_sample samples[] = {
    { TERN_SAMPLE_CHECK,
      "x=[2,5,3] w_ih=[12,3] w_hh=[12,4] b_ih=[12] b_hh=[12] lengths=[2]{1..5} h0=[2,4]", "" },
    { TERN_SAMPLE_CHECK,
      "x=[3,4,5] w_ih=[9,5] w_hh=[9,3] b_ih=[9] b_hh=[9] lengths=[3]{0..4} h0=[3,3]",
      "reverse=true" },
    { TERN_SAMPLE_CHECK, "x=[1,1,1] w_ih=[3,1] w_hh=[3,1]", "" },
    { TERN_SAMPLE_CHECK, "x=[29,3,2] w_ih=[93,2] w_hh=[93,31] b_ih=[93]", "" },
    { TERN_SAMPLE_CHECK, "x=[5,2,19] w_ih=[51,19] w_hh=[51,17] b_hh=[51] h0=[5,17]",
      "reverse=true" },
    { TERN_SAMPLE_CHECK, "x=[2,3,2] w_ih=[6,2] w_hh=[6,2] lengths=[2]{0..0} h0=[2,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[1,3,5] w_ih=[450,5] w_hh=[450,150] b_hh=[450]", "" },
    { TERN_SAMPLE_CHECK, "x=[2,0,3] w_ih=[6,3] w_hh=[6,2] b_ih=[6] h0=[2,2]", "" },
    { TERN_SAMPLE_CHECK, "x=[0,3,2] w_ih=[6,2] w_hh=[6,2] b_ih=[6]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[1,100,128] w_ih=[384,128]{-0.1..0.1} w_hh=[384,128]{-0.1..0.1} "
      "b_ih=[384] b_hh=[384]", "" },
    { TERN_SAMPLE_BENCH,
      "x=[16,100,128] w_ih=[384,128]{-0.1..0.1} w_hh=[384,128]{-0.1..0.1} "
      "b_ih=[384] b_hh=[384] lengths=[16]{60..100}",
      "" },
    { 0, NULL, NULL },
};

const tern_op tern_op_gru = {
    .name = "gru",
    .summary = "GRU layer over sequences with lengths, forwards or in reverse",
    .doc = "[r z] = sigmoid(x[n,t] w_ih' + b_ih + h[t-1] w_hh' + b_hh), its first two blocks\n"
           "m = tanh(x[n,t] w_ih' + b_ih + r * (h[t-1] w_hh' + b_hh)), the third\n"
           "y[n,t] = h[t] = (1 - z) * m + z * h[t-1]\n"
           "Beyond a row's length y is zero and the state passes unchanged.",
    .in = { { "x", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[N, T, I]" },
            { "w_ih", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[3H, I], gates r z m" },
            { "w_hh", TERN_REAL, TERN_DIFF | TERN_BACKWARD_READS, "[3H, H]" },
            { "b_ih", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[3H]" },
            { "b_hh", TERN_REAL, TERN_DIFF | TERN_OPTIONAL, "[3H]" },
            { "lengths", TERN_INDEX, TERN_OPTIONAL | TERN_BACKWARD_READS, "[N]" },
            { "h0", TERN_REAL, TERN_DIFF | TERN_OPTIONAL | TERN_BACKWARD_READS, "[N, H]" } },
    .out = { { "y", TERN_REAL, TERN_BACKWARD_READS, "[N, T, H]" },
             { "h_n", TERN_REAL, 0, "[N, H]" } },
    .saved = { { "gates", TERN_REAL, 0, "[N, T, 4H]: r, z, m, h[t-1] w_hh' + b_hh for m" } },
    .options_size = sizeof(tern_gru_opts),
    .options = options,
    .shape = gru_shape,
    .cost = tern_sequence_cost,
    .samples = samples,
};

tern_gru_outputs tern_gru(tern_ctx *ctx, tern_tensor *x, tern_gru_weights weights,
                          tern_tensor *lengths, tern_tensor *h0, tern_gru_opts opts)
{
    tern_tensor *inputs[TERN_GRU_INPUTS] = { x,            weights.w_ih, weights.w_hh,
                                             weights.b_ih, weights.b_hh, lengths,
                                             h0 };
    tern_tensor *outputs[TERN_GRU_OUTPUTS];
    tern_apply(ctx, &tern_op_gru, inputs, TERN_GRU_INPUTS, &opts, outputs);
    return (tern_gru_outputs){ outputs[0], outputs[1] };
}
