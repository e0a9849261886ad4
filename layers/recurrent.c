#include "layers/recurrent.h"

#include "core/params.h"
#include "kernels/gru/gru.h"
#include "kernels/lstm/lstm.h"
#include "kernels/shape/concat.h"
#include "kernels/shape/reshape.h"
#include "kernels/shape/slice.h"
#include "layers/dropout.h"

#include <stdio.h>

static int directions_of(const tern_recurrent_layer *layer)
{
    return layer->opts.unidirectional ? 1 : 2;
}

/* ------------------------------------------------------------ parameters -- */

/* Sizes of a layer's weights, and how they start. */
typedef struct shape {
    int64_t sums, inputs, hidden; /* G*H, I or D*H, H */
    tern_init weight, bias;
    bool no_bias;
} shape;

/* "weight_ih_l1_reverse" */
static tern_tensor *declare_one(tern_ctx *ctx, const char *stem, int number, int direction,
                                int rank, const int64_t *extents, tern_init init)
{
    char name[64];
    snprintf(name, sizeof name, "%s_l%d%s", stem, number, direction ? "_reverse" : "");
    return tern_param(ctx, name, rank, extents,
                      (tern_param_opts){ .init = init, .no_decay = rank == 1 });
}

static tern_recurrent_weights declare_direction(tern_ctx *ctx, int number, int direction, shape of)
{
    int64_t input[] = { of.sums, of.inputs }, hidden[] = { of.sums, of.hidden };
    tern_recurrent_weights weights = {
        .w_ih = declare_one(ctx, "weight_ih", number, direction, 2, input, of.weight),
        .w_hh = declare_one(ctx, "weight_hh", number, direction, 2, hidden, of.weight),
    };
    if (!of.no_bias) {
        weights.b_ih = declare_one(ctx, "bias_ih", number, direction, 1, hidden, of.bias);
        weights.b_hh = declare_one(ctx, "bias_hh", number, direction, 1, hidden, of.bias);
    }
    return weights;
}

tern_recurrent_layer tern_recurrent_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                                  int64_t hidden, tern_recurrent_opts opts)
{
    opts.layers = opts.layers ? opts.layers : 1;
    tern_recurrent_layer layer = { .name = name, .hidden = hidden, .opts = opts };
    /* PyTorch starts all parameters of these layers by their hidden size. */
    tern_init usual = tern_init_fan_in(hidden);
    shape of = { .sums = (opts.cell == TERN_CELL_GRU ? 3 : 4) * hidden, .inputs = inputs,
                 .hidden = hidden, .weight = tern_init_or(opts.init, usual), .bias = usual,
                 .no_bias = opts.no_bias };
    tern_scope_push(ctx, "%s", name);
    if (opts.layers < 1 || opts.layers > TERN_RECURRENT_LAYERS)
        tern_fail(ctx, TERN_ERR_OPTION, "layers is %d, it must be from 1 to %d", opts.layers,
                  TERN_RECURRENT_LAYERS);
    for (int number = 0; number < opts.layers && tern_ok(ctx); number++) {
        for (int direction = 0; direction < directions_of(&layer); direction++)
            layer.weights[number][direction] = declare_direction(ctx, number, direction, of);
        of.inputs = directions_of(&layer) * hidden;
    }
    tern_scope_pop(ctx);
    return layer;
}

/* --------------------------------------------------------------- forward -- */

/* [N,H] number `index` of a state [layers*D, N, H]. */
static tern_tensor *state_at(tern_ctx *ctx, const tern_recurrent_layer *layer, tern_tensor *state,
                             int index)
{
    if (!state)
        return NULL;
    tern_tensor *one = tern_slice(ctx, state, (tern_slice_opts){ .start = index, .length = 1 });
    return tern_reshape(ctx, one, (tern_reshape_opts){ .shape = { -1, layer->hidden } });
}

/* count tensors [N,H] to [count,N,H]. */
static tern_tensor *stack_states(tern_ctx *ctx, const tern_recurrent_layer *layer,
                                 tern_tensor *const *states, int count)
{
    tern_tensor *planes[2 * TERN_RECURRENT_LAYERS];
    for (int i = 0; i < count; i++)
        planes[i] = tern_reshape(ctx, states[i],
                                 (tern_reshape_opts){ .shape = { 1, -1, layer->hidden } });
    return tern_concat(ctx, planes, count, (tern_concat_opts){ 0 });
}

/* One direction of one layer, from a state [N,H]; returns y, and the state after it. */
static tern_tensor *run_direction(tern_ctx *ctx, const tern_recurrent_layer *layer, int number,
                                  int direction, tern_tensor *x, tern_tensor *lengths,
                                  tern_recurrent_state before, tern_recurrent_state *after)
{
    tern_recurrent_weights weights = layer->weights[number][direction];
    if (layer->opts.cell == TERN_CELL_GRU) {
        tern_gru_outputs gru = tern_gru(ctx, x, weights, lengths, before.h,
                                        (tern_gru_opts){ .reverse = direction == 1 });
        *after = (tern_recurrent_state){ .h = gru.h_n };
        return gru.y;
    }
    tern_lstm_outputs lstm = tern_lstm(ctx, x, weights, lengths, before.h, before.c,
                                       (tern_lstm_opts){ .reverse = direction == 1 });
    *after = (tern_recurrent_state){ lstm.h_n, lstm.c_n };
    return lstm.y;
}

tern_tensor *tern_recurrent_layer_run(tern_ctx *ctx, const tern_recurrent_layer *layer,
                                      tern_tensor *x, tern_tensor *lengths,
                                      tern_recurrent_state before, tern_recurrent_state *after)
{
    int directions = directions_of(layer), count = 0;
    tern_tensor *h_n[2 * TERN_RECURRENT_LAYERS], *c_n[2 * TERN_RECURRENT_LAYERS];
    if (after)
        *after = (tern_recurrent_state){ tern_nil(ctx), tern_nil(ctx) };
    if (!tern_ok(ctx))
        return tern_nil(ctx);
    tern_scope_push(ctx, "%s", layer->name);
    for (int number = 0; number < layer->opts.layers; number++) {
        tern_tensor *y[2];
        if (number > 0)
            x = tern_drop(ctx, x, layer->opts.dropout);
        for (int direction = 0; direction < directions; direction++, count++) {
            tern_recurrent_state first = { state_at(ctx, layer, before.h, count),
                                           state_at(ctx, layer, before.c, count) }, last;
            y[direction] = run_direction(ctx, layer, number, direction, x, lengths, first, &last);
            h_n[count] = last.h;
            c_n[count] = last.c;
        }
        x = directions == 1 ? y[0] : tern_concat(ctx, y, 2, (tern_concat_opts){ .axis = -1 });
    }
    if (after) {
        after->h = stack_states(ctx, layer, h_n, count);
        after->c = layer->opts.cell == TERN_CELL_LSTM ? stack_states(ctx, layer, c_n, count) : NULL;
    }
    tern_scope_pop(ctx);
    return x;
}

tern_tensor *tern_recurrent_layer_forward(tern_ctx *ctx, const tern_recurrent_layer *layer,
                                          tern_tensor *x, tern_tensor *lengths)
{
    return tern_recurrent_layer_run(ctx, layer, x, lengths, (tern_recurrent_state){ 0 }, NULL);
}
