/* Gated recurrent unit, one layer in one direction, over whole sequences (Cho et al.
 * 2014, arXiv:1406.1078), as PyTorch computes it: the reset gate acts on the product
 * with w_hh, bias included.
 *
 *   [r z] = sigmoid( x[n,t] w_ih' + b_ih + h[t-1] w_hh' + b_hh )     two blocks of H
 *   m     = tanh( x[n,t] w_ih' + b_ih + r * (h[t-1] w_hh' + b_hh) )  the third block
 *   h[t]  = (1 - z) * m + z * h[t-1]                                 y[n,t] = h[t]
 *
 *   x        [N, T, I]
 *   w_ih     [3H, I]   rows in PyTorch's gate order: reset, update, new
 *   w_hh     [3H, H]
 *   b_ih     [3H]      or NULL for zeros
 *   b_hh     [3H]      or NULL
 *   lengths  [N] i32   or NULL for T everywhere; clamped to 0..T
 *   h0       [N, H]    or NULL for zeros
 *   -> y     [N, T, H]
 *   -> h_n   [N, H]    state after each row's last valid step
 *
 * Steps at and beyond a row's length are not computed: y is zero there, the
 * state passes unchanged, no gradient flows.  With `reverse` a row runs from its
 * last valid step down to its first and y stays at the original positions: what
 * PyTorch's bidirectional GRU does with a packed sequence.
 *
 * Saved for backward: r, z, m and h[t-1] w_hh' + b_hh of the third block, [N,T,4H].
 * Cost: 6 * N * T * H * (I + H) FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if a shape differs from the above.
 */
#ifndef TERN_KERNELS_GRU_H
#define TERN_KERNELS_GRU_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/lstm/sequence.h"

typedef struct tern_gru_opts {
    bool reverse; /* from each row's last valid step to its first */
} tern_gru_opts;

typedef tern_recurrent_weights tern_gru_weights;

typedef struct tern_gru_outputs {
    tern_tensor *y, *h_n;
} tern_gru_outputs;

/* Positions of the op's inputs, outputs and saved tensors. */
enum {
    TERN_GRU_X, TERN_GRU_W_IH, TERN_GRU_W_HH, TERN_GRU_B_IH, TERN_GRU_B_HH, TERN_GRU_LENGTHS,
    TERN_GRU_H0, TERN_GRU_INPUTS
};
enum { TERN_GRU_Y, TERN_GRU_H_N, TERN_GRU_OUTPUTS };
enum { TERN_GRU_GATES };

extern const tern_op tern_op_gru;

tern_gru_outputs tern_gru(tern_ctx *ctx, tern_tensor *x, tern_gru_weights weights,
                          tern_tensor *lengths, tern_tensor *h0, tern_gru_opts opts);

#endif
