/* Bidirectional LSTM layer over padded sequences.
 *
 *   x [N,T,I], lengths [N] -> y [N,T,2H], forward and backward side by side
 *
 * State as nn.LSTM(bidirectional=True): weight_ih_l0 [4H,I], weight_hh_l0 [4H,H],
 * bias_ih_l0, bias_hh_l0 [4H], and the same with _reverse.
 */
#ifndef TERN_LAYERS_LSTM_H
#define TERN_LAYERS_LSTM_H

#include "core/context.h"
#include "kernels/lstm/lstm.h"

typedef struct tern_lstm_layer {
    const char *name;
    tern_lstm_weights forward, backward;
} tern_lstm_layer;

tern_lstm_layer tern_lstm_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t hidden);
/* lengths i32 [N], or NULL for T everywhere. */
tern_tensor *tern_lstm_layer_forward(tern_ctx *ctx, const tern_lstm_layer *layer, tern_tensor *x,
                                     tern_tensor *lengths);

#endif
