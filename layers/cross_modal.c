#include "layers/cross_modal.h"

#include "kernels/elementwise/binary.h"
#include "layers/dropout.h"

/* Normalised features have variance 1 and codes 1/2: at this gain equal times win
 * by a factor of about a hundred over those an eighth of a clip away (D = 64, 4
 * heads), yet features can still outweigh them. */
static const double TIME_GAIN = 2;

tern_cross_modal_layer tern_cross_modal_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_cross_modal_opts opts)
{
    tern_cross_modal_layer layer = { .name = name, .dropout = opts.dropout, .timed = opts.timed,
                                     .post_norm = opts.post_norm };
    tern_layer_norm_opts norm = { .eps = opts.norm_eps };
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(
        ctx, "self_attn",
        (tern_multi_head_attention_opts){ .size = opts.size, .heads = opts.heads,
                                          .dropout = opts.dropout, .causal = opts.causal,
                                          .tied_start = opts.timed, .init = opts.init });
    layer.norm1 = tern_layer_norm_layer_declare(ctx, "norm1", opts.size, norm);
    layer.norm_source = layer.norm1;
    if (!opts.shared_norm && !opts.post_norm)
        layer.norm_source = tern_layer_norm_layer_declare(ctx, "norm_source", opts.size, norm);
    layer.feed_forward = tern_feed_forward_declare(
        ctx, (tern_feed_forward_opts){ .size = opts.size, .hidden = opts.hidden,
                                       .dropout = opts.dropout, .relu = opts.relu,
                                       .init = opts.init });
    layer.norm2 = tern_layer_norm_layer_declare(ctx, "norm2", opts.size, norm);
    tern_scope_pop(ctx);
    return layer;
}

/* Features know their moment: x + TIME_GAIN * code. */
static tern_tensor *at_time(tern_ctx *ctx, tern_tensor *x, tern_tensor *code)
{
    tern_tensor *gain = tern_full(ctx, 1, (int64_t[]){ 1 }, TIME_GAIN);
    return tern_add(ctx, x, tern_mul(ctx, code, gain));
}

/* What the target sees of the source, x of both being what queries, and keys and values,
 * are made of. */
static tern_tensor *attend(tern_ctx *ctx, const tern_cross_modal_layer *layer,
                           tern_cross_modal_stream target, tern_cross_modal_stream source,
                           tern_attention_extras extras)
{
    tern_tensor *query = target.x, *key = source.x, *value = source.x;
    if (layer->timed) {
        query = at_time(ctx, query, target.time);
        key = at_time(ctx, key, source.time);
    }
    tern_tensor *seen = tern_multi_head_attention_forward(ctx, &layer->attention, query, key, value,
                                                          target.mask, source.mask, extras);
    return tern_drop(ctx, seen, layer->dropout);
}

tern_tensor *tern_cross_modal_layer_forward(tern_ctx *ctx, const tern_cross_modal_layer *layer,
                                            tern_cross_modal_stream target,
                                            tern_cross_modal_stream source,
                                            tern_attention_extras extras)
{
    tern_tensor *x = target.x, *seen, *normed;
    tern_scope_push(ctx, "%s", layer->name);
    if (layer->post_norm) {
        seen = attend(ctx, layer, target, source, extras);
        x = tern_layer_norm_layer_add(ctx, &layer->norm1, x, seen, NULL);
        x = tern_layer_norm_layer_add(
            ctx, &layer->norm2, x, tern_feed_forward_forward(ctx, &layer->feed_forward, x), NULL);
    } else {
        target.x = tern_layer_norm_layer_forward(ctx, &layer->norm1, target.x);
        source.x = tern_layer_norm_layer_forward(ctx, &layer->norm_source, source.x);
        seen = attend(ctx, layer, target, source, extras);
        normed = tern_layer_norm_layer_add(ctx, &layer->norm2, x, seen, &x);
        x = tern_add(ctx, x, tern_feed_forward_forward(ctx, &layer->feed_forward, normed));
    }
    tern_scope_pop(ctx);
    return x;
}
