#include "layers/cross_modal.h"

#include "kernels/elementwise/binary.h"

/* Normalised features have variance 1 and codes 1/2: at this gain equal times win
 * by a factor of about a hundred over those an eighth of a clip away (D = 64, 4
 * heads), yet features can still outweigh them. */
static const double TIME_GAIN = 2;

tern_cross_modal_layer tern_cross_modal_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_cross_modal_opts opts)
{
    double dropout = opts.dropout > 0 ? opts.dropout : 0;
    tern_cross_modal_layer layer = { .name = name, .dropout = dropout, .timed = opts.timed };
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(
        ctx, "self_attn",
        (tern_multi_head_attention_opts){ .size = opts.size, .heads = opts.heads,
                                          .dropout = dropout, .causal = opts.causal,
                                          .tied_start = opts.timed });
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

/* Features know their moment: x + TIME_GAIN * code. */
static tern_tensor *at_time(tern_ctx *ctx, tern_tensor *x, tern_tensor *code)
{
    tern_tensor *gain = tern_full(ctx, 1, (int64_t[]){ 1 }, TIME_GAIN);
    return tern_add(ctx, x, tern_mul(ctx, code, gain));
}

tern_tensor *tern_cross_modal_layer_forward(tern_ctx *ctx, const tern_cross_modal_layer *layer,
                                            tern_cross_modal_stream target,
                                            tern_cross_modal_stream source)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *query = tern_layer_norm_layer_forward(ctx, &layer->norm1, target.x);
    tern_tensor *value = tern_layer_norm_layer_forward(ctx, &layer->norm_source, source.x);
    tern_tensor *key = value;
    if (layer->timed) {
        query = at_time(ctx, query, target.time);
        key = at_time(ctx, value, source.time);
    }
    tern_tensor *seen = tern_multi_head_attention_forward(ctx, &layer->attention, query, key, value,
                                                          target.mask, source.mask, NULL);
    tern_tensor *x = tern_add_dropped(ctx, target.x, seen, layer->dropout);
    x = tern_feed_forward_forward(ctx, &layer->feed_forward, x);
    tern_scope_pop(ctx);
    return x;
}
