#include "layers/transformer.h"

#include "kernels/elementwise/binary.h"
#include "layers/dropout.h"

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts)
{
    tern_transformer_layer layer = { .name = name, .dropout = opts.dropout,
                                     .post_norm = opts.post_norm };
    tern_layer_norm_opts norm = { .eps = opts.norm_eps };
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(
        ctx, "self_attn",
        (tern_multi_head_attention_opts){ .size = opts.size, .heads = opts.heads,
                                          .dropout = opts.dropout, .causal = opts.causal,
                                          .init = opts.init });
    layer.norm1 = tern_layer_norm_layer_declare(ctx, "norm1", opts.size, norm);
    layer.feed_forward = tern_feed_forward_declare(
        ctx, (tern_feed_forward_opts){ .size = opts.size, .hidden = opts.hidden,
                                       .dropout = opts.dropout, .relu = opts.relu,
                                       .init = opts.init });
    layer.norm2 = tern_layer_norm_layer_declare(ctx, "norm2", opts.size, norm);
    tern_scope_pop(ctx);
    return layer;
}

static tern_tensor *attend(tern_ctx *ctx, const tern_transformer_layer *layer, tern_tensor *x,
                           tern_tensor *mask, tern_attention_extras extras)
{
    x = tern_multi_head_attention_forward(ctx, &layer->attention, x, x, x, mask, mask, extras);
    return tern_drop(ctx, x, layer->dropout);
}

tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask,
                                            tern_attention_extras extras)
{
    const tern_layer_norm_layer *norm1 = &layer->norm1, *norm2 = &layer->norm2;
    tern_tensor *seen, *normed;
    tern_scope_push(ctx, "%s", layer->name);
    if (layer->post_norm) {
        seen = attend(ctx, layer, x, mask, extras);
        x = tern_layer_norm_layer_add(ctx, norm1, x, seen, NULL);
        x = tern_layer_norm_layer_add(
            ctx, norm2, x, tern_feed_forward_forward(ctx, &layer->feed_forward, x), NULL);
    } else {
        seen = attend(ctx, layer, tern_layer_norm_layer_forward(ctx, norm1, x), mask, extras);
        normed = tern_layer_norm_layer_add(ctx, norm2, x, seen, &x);
        x = tern_add(ctx, x, tern_feed_forward_forward(ctx, &layer->feed_forward, normed));
    }
    tern_scope_pop(ctx);
    return x;
}

/* ---------------------------------------------------------------- stack -- */

tern_transformer_encoder tern_transformer_encoder_declare(tern_ctx *ctx, const char *name,
                                                          int count, tern_transformer_opts opts)
{
    tern_transformer_encoder encoder = { .name = name, .count = count };
    tern_scope_push(ctx, "%s", name);
    if (count < 1 || count > TERN_STACK_LAYERS) {
        tern_fail(ctx, TERN_ERR_OPTION, "there are %d layers, 1 to %d are possible", count,
                  TERN_STACK_LAYERS);
        encoder.count = 0;
    }
    tern_scope_push(ctx, "layers");
    for (int i = 0; i < encoder.count; i++)
        encoder.layer[i] = tern_transformer_layer_declare(ctx, tern_stack_name(i), opts);
    tern_scope_pop(ctx);
    if (!opts.post_norm)
        encoder.norm = tern_layer_norm_layer_declare(
            ctx, "norm", opts.size, (tern_layer_norm_opts){ .eps = opts.norm_eps });
    tern_scope_pop(ctx);
    return encoder;
}

tern_tensor *tern_transformer_encoder_forward(tern_ctx *ctx,
                                              const tern_transformer_encoder *encoder,
                                              tern_tensor *x, tern_tensor *mask, tern_tensor *bias)
{
    tern_scope_push(ctx, "%s", encoder->name);
    tern_scope_push(ctx, "layers");
    for (int i = 0; i < encoder->count; i++)
        x = tern_transformer_layer_forward(ctx, &encoder->layer[i], x, mask,
                                           (tern_attention_extras){ .bias = bias });
    tern_scope_pop(ctx);
    if (encoder->norm.weight)
        x = tern_layer_norm_layer_forward(ctx, &encoder->norm, x);
    tern_scope_pop(ctx);
    return x;
}
