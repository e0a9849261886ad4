/* gru on cpu, forward: kernels/lstm/sequence_forward.h with three gates.
 *
 * The bias of the projections is b_ih + b_hh for r and z; for m it is b_ih alone, for the
 * reset gate comes between that and what h contributes, b_hh included.
 */
#include "kernels/gru/gru_cpu.h"

#include "core/vmath.h"
#include "kernels/lstm/sequence_forward.h"

enum { GATES = 3 };

/* h = (1 - z) m + z h_before, with m = tanh(projected + r * inside) */
static void gates_forward(const sequence_forward *pass, int64_t block, const float *sums,
                          const sequence_row *at)
{
    const tern_tensor *b_hh = pass->call->in[TERN_GRU_B_HH];
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(&pass->batch, block);
    float *gates = at->projected + j;
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
    if (!pass->call->saved[TERN_GRU_GATES])
        return;
    tern_store_part(gates, r, width);
    tern_store_part(gates + hidden, z, width);
    tern_store_part(gates + 2 * hidden, m, width);
    tern_store_part(gates + 3 * hidden, inside, width);
}

/* Backward reads r, z, m and inside, so what is kept is 4H wide. */
static sequence_forward take(const tern_call *call, tern_workspace *workspace)
{
    const tern_tensor *gates = call->saved[TERN_GRU_GATES];
    sequence_forward pass = {
        .call = call, .gates = GATES, .formula = gates_forward,
        .at = { TERN_GRU_X, TERN_GRU_W_IH, TERN_GRU_W_HH, TERN_GRU_LENGTHS, TERN_GRU_H0,
                TERN_GRU_Y, TERN_GRU_H_N },
        .projected = gates ? gates->data : NULL,
        .projected_stride = gates ? 4 * call->in[TERN_GRU_W_HH]->shape[1] : 0,
    };
    TERN_LEVEL(tern_sequence_forward_take)(&pass, ((const tern_gru_opts *)call->options)->reverse,
                                      workspace);
    return pass;
}

static void fill_bias(const sequence_forward *pass)
{
    const tern_tensor *b_ih = pass->call->in[TERN_GRU_B_IH];
    const tern_tensor *b_hh = pass->call->in[TERN_GRU_B_HH];
    int64_t hidden = pass->batch.hidden;
    for (int64_t k = 0; k < GATES * hidden; k++)
        pass->bias[k] = (b_ih ? ((const float *)b_ih->data)[k] : 0) +
                        (b_hh && k < 2 * hidden ? ((const float *)b_hh->data)[k] : 0);
}

static void gru_forward(tern_call *call)
{
    tern_workspace workspace = { .base = call->workspace };
    sequence_forward pass = take(call, &workspace);
    if (pass.batch.rows == 0)
        return;
    fill_bias(&pass);
    TERN_LEVEL(tern_sequence_forward_run)(&pass, call);
}

static size_t forward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    take(call, &workspace);
    return workspace.used;
}

const tern_impl TERN_LEVEL(tern_gru_cpu) = {
    .op = "gru", .backend = "cpu", .provider = "hand",
    .forward = gru_forward, .backward = TERN_LEVEL(tern_gru_backward),
    .forward_workspace = forward_workspace,
    .backward_workspace = TERN_LEVEL(tern_gru_backward_workspace),
};
