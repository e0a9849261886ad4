#include "layers/transformer.h"

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts)
{
    double dropout = opts.dropout > 0 ? opts.dropout : 0;
    tern_transformer_layer layer = { .name = name, .dropout = dropout };
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(
        ctx, "self_attn",
        (tern_multi_head_attention_opts){ .size = opts.size, .heads = opts.heads,
                                          .dropout = dropout, .causal = opts.causal });
    layer.norm1 = tern_layer_norm_layer_declare(ctx, "norm1", opts.size);
    layer.feed_forward = tern_feed_forward_declare(
        ctx, (tern_feed_forward_opts){ .size = opts.size, .hidden = opts.hidden,
                                       .dropout = dropout, .relu = opts.relu });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *normed = tern_layer_norm_layer_forward(ctx, &layer->norm1, x);
    tern_tensor *seen = tern_multi_head_attention_forward(ctx, &layer->attention, normed, normed,
                                                          normed, mask, mask, NULL);
    x = tern_add_dropped(ctx, x, seen, layer->dropout);
    x = tern_feed_forward_forward(ctx, &layer->feed_forward, x);
    tern_scope_pop(ctx);
    return x;
}
