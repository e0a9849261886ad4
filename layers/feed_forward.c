#include "layers/feed_forward.h"

#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/dropout.h"

tern_feed_forward tern_feed_forward_declare(tern_ctx *ctx, tern_feed_forward_opts opts)
{
    int64_t hidden = opts.hidden ? opts.hidden : 4 * opts.size;
    tern_activation activation = opts.relu ? TERN_ACT_RELU : TERN_ACT_GELU;
    return (tern_feed_forward){
        .linear1 = tern_linear_layer_declare(ctx, "linear1", opts.size, hidden,
                                             (tern_linear_opts){ .activation = activation }),
        .linear2 = tern_linear_layer_declare(ctx, "linear2", hidden, opts.size,
                                             (tern_linear_opts){ 0 }),
        .norm = tern_layer_norm_layer_declare(ctx, "norm2", opts.size),
        .dropout = opts.dropout,
    };
}

static tern_tensor *drop(tern_ctx *ctx, tern_tensor *x, double dropout)
{
    if (dropout > 0 && tern_is_training(ctx))
        return tern_dropout(ctx, x, (tern_dropout_opts){ .p = dropout });
    return x;
}

tern_tensor *tern_add_dropped(tern_ctx *ctx, tern_tensor *x, tern_tensor *branch, double dropout)
{
    return tern_add(ctx, x, drop(ctx, branch, dropout));
}

tern_tensor *tern_feed_forward_forward(tern_ctx *ctx, const tern_feed_forward *layer,
                                       tern_tensor *x)
{
    tern_tensor *hidden = tern_layer_norm_layer_forward(ctx, &layer->norm, x);
    hidden = tern_linear_layer_forward(ctx, &layer->linear1, hidden);
    hidden = drop(ctx, hidden, layer->dropout);
    hidden = tern_linear_layer_forward(ctx, &layer->linear2, hidden);
    return tern_add_dropped(ctx, x, hidden, layer->dropout);
}
