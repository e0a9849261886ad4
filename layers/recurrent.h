/* LSTM and GRU layers over padded sequences, one on top of the other, each in both
 * directions or forwards only.  One direction of one layer is an op: kernels/lstm/lstm.h,
 * kernels/gru/gru.h.
 *
 *   y [N,T,D*H]      y0        y1        y2       0 (beyond the row's length)
 *                    |         |         |
 *   layer 1          h <------ h <------ h        reverse, H: from the last valid step
 *                    h ------> h ------> h        forward, H
 *                    |         |         |        (dropout in training)
 *   layer 0          h <------ h <------ h
 *                    h ------> h ------> h
 *                    |         |         |
 *   x [N,T,I]        x0        x1        x2       x3, padding: not read
 *
 * D = 2 directions side by side, forward first, or 1; lengths [N] tells the valid steps.
 *
 * State as nn.LSTM and nn.GRU, with G = 4 or 3 gates, for layer k from 0 on:
 *   weight_ih_l<k> [G*H, I or D*H], weight_hh_l<k> [G*H, H], bias_ih_l<k>, bias_hh_l<k>
 *   [G*H], and the same with _reverse.  All start uniform with bound 1/sqrt(H).
 * Errors: TERN_ERR_OPTION for more than TERN_RECURRENT_LAYERS layers; TERN_ERR_SHAPE as of
 * the ops.
 */
#ifndef TERN_LAYERS_RECURRENT_H
#define TERN_LAYERS_RECURRENT_H

#include "core/context.h"
#include "core/params.h"
#include "kernels/lstm/sequence.h"

enum { TERN_RECURRENT_LAYERS = 8 }; /* the most of one stack */

typedef enum tern_recurrent_cell { TERN_CELL_LSTM, TERN_CELL_GRU } tern_recurrent_cell;

typedef struct tern_recurrent_opts {
    tern_recurrent_cell cell; /* default LSTM                                    */
    int layers;               /* default 1                                       */
    bool unidirectional;      /* forwards only                                   */
    double dropout;           /* between the layers, in training                 */
    bool no_bias;
    tern_init init;           /* of the weights; default uniform, 1/sqrt(H)      */
} tern_recurrent_opts;

typedef struct tern_recurrent_layer {
    const char *name;
    int64_t hidden;
    tern_recurrent_opts opts;
    tern_recurrent_weights weights[TERN_RECURRENT_LAYERS][2]; /* forward, reverse */
} tern_recurrent_layer;

/* State before the first step, and after each row's last valid one: [layers*D, N, H],
 * in PyTorch's order (layer 0 forward, layer 0 reverse, layer 1 ...).  Before, NULL
 * means zeros; c is the LSTM's and NULL for a GRU. */
typedef struct tern_recurrent_state {
    tern_tensor *h, *c;
} tern_recurrent_state;

tern_recurrent_layer tern_recurrent_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                                  int64_t hidden, tern_recurrent_opts opts);

/* lengths i32 [N], or NULL for T everywhere. */
tern_tensor *tern_recurrent_layer_forward(tern_ctx *ctx, const tern_recurrent_layer *layer,
                                          tern_tensor *x, tern_tensor *lengths);

/* The same from a state on; *after, unless NULL, receives the state it ends in. */
tern_tensor *tern_recurrent_layer_run(tern_ctx *ctx, const tern_recurrent_layer *layer,
                                      tern_tensor *x, tern_tensor *lengths,
                                      tern_recurrent_state before, tern_recurrent_state *after);

#endif
