/* Long short-term memory, one layer in one direction, over whole sequences
 * (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).
 *
 *   [i f g o] = x[n,t] w_ih' + b_ih + h[t-1] w_hh' + b_hh      four blocks of H
 *   c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g)
 *   h[t] = sigmoid(o) * tanh(c[t])                             y[n,t] = h[t]
 *
 *   x        [N, T, I]
 *   w_ih     [4H, I]   rows in PyTorch's gate order: input, forget, cell, output
 *   w_hh     [4H, H]
 *   b_ih     [4H]      or NULL for zeros; PyTorch keeps two biases that are added
 *   b_hh     [4H]      or NULL
 *   lengths  [N] i32   or NULL for T everywhere; clamped to 0..T
 *   h0, c0   [N, H]    or NULL for zeros
 *   -> y     [N, T, H]
 *   -> h_n   [N, H]    state after each row's last valid step
 *   -> c_n   [N, H]
 *
 * Steps at and beyond a row's length are not computed: y is zero there, the
 * state passes unchanged, no gradient flows.  With `reverse` a row runs from its
 * last valid step down to its first and y stays at the original positions: what
 * PyTorch's bidirectional LSTM does with a packed sequence.
 *
 * Saved for backward: the four activated gates [N,T,4H] and c [N,T,H].
 * Cost: 8 * N * T * H * (I + H) FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if a shape differs from the above.
 */
#ifndef TERN_KERNELS_LSTM_H
#define TERN_KERNELS_LSTM_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/lstm/sequence.h"

typedef struct tern_lstm_opts {
    bool reverse; /* from each row's last valid step to its first */
} tern_lstm_opts;

typedef tern_recurrent_weights tern_lstm_weights;

typedef struct tern_lstm_outputs {
    tern_tensor *y, *h_n, *c_n;
} tern_lstm_outputs;

/* Positions of the op's inputs, outputs and saved tensors. */
enum {
    TERN_LSTM_X, TERN_LSTM_W_IH, TERN_LSTM_W_HH, TERN_LSTM_B_IH, TERN_LSTM_B_HH,
    TERN_LSTM_LENGTHS, TERN_LSTM_H0, TERN_LSTM_C0, TERN_LSTM_INPUTS
};
enum { TERN_LSTM_Y, TERN_LSTM_H_N, TERN_LSTM_C_N, TERN_LSTM_OUTPUTS };
enum { TERN_LSTM_GATES, TERN_LSTM_CELLS };

extern const tern_op tern_op_lstm;

tern_lstm_outputs tern_lstm(tern_ctx *ctx, tern_tensor *x, tern_lstm_weights weights,
                            tern_tensor *lengths, tern_tensor *h0, tern_tensor *c0,
                            tern_lstm_opts opts);

#endif
