/* gru on cpu: sequence_forward.h and sequence_backward.h of kernels/lstm with three gates.
 * The saved gates [valid,4H] are compact (kernels/lstm/sequence_batch.h).
 *
 * The reset gate comes between what x and what h contribute to m, so the sums with w_ih and
 * those with w_hh have gradients of their own, which differ in the third gate alone.
 */
#include "kernels/gru/gru.h"

#include "core/vmath.h"
#include "kernels/lstm/sequence_backward.h"
#include "kernels/lstm/sequence_forward.h"

enum { GATES = 3 };

static bool in_reverse(const tern_call *call)
{
    const tern_gru_opts *opts = call->options;
    return opts->reverse;
}

/* -------------------------------------------------------------- forward -- */

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
static sequence_forward take_forward(const tern_call *call, tern_workspace *workspace)
{
    const tern_tensor *gates = call->saved[TERN_GRU_GATES];
    sequence_forward pass = {
        .call = call, .gates = GATES, .formula = gates_forward,
        .projected = gates ? gates->data : NULL,
        .projected_stride = gates ? 4 * call->in[TERN_GRU_W_HH]->shape[1] : 0,
    };
    TERN_LEVEL(tern_sequence_forward_take)(&pass, in_reverse(call), workspace);
    return pass;
}

/* b_ih + b_hh for r and z; for m b_ih alone, since b_hh belongs in the reset gate's brackets. */
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
    sequence_forward pass = take_forward(call, &workspace);
    if (pass.batch.rows == 0)
        return;
    fill_bias(&pass);
    TERN_LEVEL(tern_sequence_forward_run)(&pass, call);
}

static size_t forward_workspace(const tern_call *call)
{
    tern_workspace workspace = { 0 };
    take_forward(call, &workspace);
    return workspace.used;
}

/* ------------------------------------------------------------- backward -- */

/* The formulas are those of gru_ref.c. */
static void gates_backward(const sequence_backward *pass, int64_t block,
                           const sequence_row_back *at)
{
    int64_t hidden = pass->batch.hidden, j = block * TERN_LANES;
    int64_t width = sequence_block_width(&pass->batch, block);
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
        tern_store_part(at->d_input + gate * hidden + j, d_input[gate], width);
        tern_store_part(at->d_hidden + gate * hidden + j, d_hidden[gate], width);
    }
}

static sequence_backward take_backward(const tern_call *call, tern_workspace *workspace)
{
    sequence_backward pass = { .call = call, .gates = GATES, .formula = gates_backward,
                               .passes_h_on = true, .input_apart = true };
    TERN_LEVEL(tern_sequence_backward_take)(&pass, in_reverse(call), workspace);
    return pass;
}

static void gru_backward(tern_call *call)
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

const tern_impl TERN_LEVEL(tern_gru_cpu) = {
    .op = "gru", .backend = "cpu", .provider = "hand",
    .forward = gru_forward, .backward = gru_backward,
    .forward_workspace = forward_workspace, .backward_workspace = backward_workspace,
    .packs = TERN_LEVEL(tern_sequence_forward_packs),
};
