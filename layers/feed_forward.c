#include "layers/feed_forward.h"

#include "layers/dropout.h"

tern_feed_forward tern_feed_forward_declare(tern_ctx *ctx, tern_feed_forward_opts opts)
{
    int64_t hidden = opts.hidden ? opts.hidden : 4 * opts.size;
    tern_activation activation = opts.relu ? TERN_ACT_RELU : TERN_ACT_GELU;
    tern_linear_layer_opts first = { .activation = activation, .init = opts.init };
    tern_linear_layer_opts second = { .init = opts.init };
    return (tern_feed_forward){
        .linear1 = tern_linear_layer_declare(ctx, "linear1", opts.size, hidden, first),
        .linear2 = tern_linear_layer_declare(ctx, "linear2", hidden, opts.size, second),
        .dropout = opts.dropout,
    };
}

tern_tensor *tern_feed_forward_forward(tern_ctx *ctx, const tern_feed_forward *layer,
                                       tern_tensor *x)
{
    x = tern_linear_layer_forward(ctx, &layer->linear1, x);
    x = tern_drop(ctx, x, layer->dropout);
    x = tern_linear_layer_forward(ctx, &layer->linear2, x);
    return tern_drop(ctx, x, layer->dropout);
}
