#include "layers/lstm.h"

#include "core/params.h"
#include "kernels/shape/concat.h"

#include <stdio.h>

static tern_tensor *declare_one(tern_ctx *ctx, const char *stem, const char *suffix, int rank,
                                const int64_t *shape, int64_t hidden)
{
    char name[64];
    snprintf(name, sizeof name, "%s_l0%s", stem, suffix);
    /* PyTorch initialises all of an LSTM's parameters by its hidden size. */
    return tern_param(ctx, name, rank, shape,
                      (tern_param_opts){ .init = tern_init_fan_in(hidden), .no_decay = rank == 1 });
}

static tern_lstm_weights declare_direction(tern_ctx *ctx, const char *suffix, int64_t inputs,
                                           int64_t hidden)
{
    int64_t input_shape[] = { 4 * hidden, inputs }, hidden_shape[] = { 4 * hidden, hidden };
    return (tern_lstm_weights){
        .w_ih = declare_one(ctx, "weight_ih", suffix, 2, input_shape, hidden),
        .w_hh = declare_one(ctx, "weight_hh", suffix, 2, hidden_shape, hidden),
        .b_ih = declare_one(ctx, "bias_ih", suffix, 1, hidden_shape, hidden),
        .b_hh = declare_one(ctx, "bias_hh", suffix, 1, hidden_shape, hidden),
    };
}

tern_lstm_layer tern_lstm_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                        int64_t hidden)
{
    tern_lstm_layer layer = { .name = name };
    tern_scope_push(ctx, "%s", name);
    layer.forward = declare_direction(ctx, "", inputs, hidden);
    layer.backward = declare_direction(ctx, "_reverse", inputs, hidden);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_lstm_layer_forward(tern_ctx *ctx, const tern_lstm_layer *layer, tern_tensor *x,
                                     tern_tensor *lengths)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *both[2] = {
        tern_lstm(ctx, x, layer->forward, lengths, NULL, NULL, (tern_lstm_opts){ 0 }).y,
        tern_lstm(ctx, x, layer->backward, lengths, NULL, NULL,
                  (tern_lstm_opts){ .reverse = true }).y,
    };
    tern_tensor *y = tern_concat(ctx, both, 2, (tern_concat_opts){ .axis = -1 });
    tern_scope_pop(ctx);
    return y;
}
