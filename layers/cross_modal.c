#include "layers/cross_modal.h"

tern_cross_modal_layer tern_cross_modal_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_cross_modal_opts opts)
{
    double dropout = opts.dropout > 0 ? opts.dropout : 0;
    tern_cross_modal_layer layer = { .name = name, .dropout = dropout };
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(
        ctx, "self_attn",
        (tern_multi_head_attention_opts){ .size = opts.size, .heads = opts.heads,
                                          .dropout = dropout, .causal = opts.causal });
    layer.norm1 = tern_layer_norm_layer_declare(ctx, "norm1", opts.size);
    layer.norm_source = layer.norm1;
    if (!opts.shared_norm)
        layer.norm_source = tern_layer_norm_layer_declare(ctx, "norm_source", opts.size);
    layer.feed_forward = tern_feed_forward_declare(
        ctx, (tern_feed_forward_opts){ .size = opts.size, .hidden = opts.hidden,
                                       .dropout = dropout, .relu = opts.relu });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_cross_modal_layer_forward(tern_ctx *ctx, const tern_cross_modal_layer *layer,
                                            tern_tensor *target, tern_tensor *target_mask,
                                            tern_tensor *source, tern_tensor *source_mask)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *query = tern_layer_norm_layer_forward(ctx, &layer->norm1, target);
    tern_tensor *key = tern_layer_norm_layer_forward(ctx, &layer->norm_source, source);
    tern_tensor *seen = tern_multi_head_attention_forward(ctx, &layer->attention, query, key, key,
                                                          target_mask, source_mask, NULL);
    tern_tensor *x = tern_add_dropped(ctx, target, seen, layer->dropout);
    x = tern_feed_forward_forward(ctx, &layer->feed_forward, x);
    tern_scope_pop(ctx);
    return x;
}
