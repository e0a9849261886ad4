#include "layers/transformer.h"

#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/dropout.h"

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts)
{
    opts.dropout = opts.dropout > 0 ? opts.dropout : 0;
    tern_transformer_layer layer = { .name = name, .opts = opts };
    int64_t hidden = opts.hidden ? opts.hidden : 4 * opts.size;
    tern_scope_push(ctx, "%s", name);
    layer.attention = tern_multi_head_attention_declare(ctx, "self_attn", opts.size, opts.heads,
                                                        opts.dropout);
    layer.linear1 = tern_linear_layer_declare(ctx, "linear1", opts.size, hidden,
                                              (tern_linear_opts){ .activation = TERN_ACT_GELU });
    layer.linear2 = tern_linear_layer_declare(ctx, "linear2", hidden, opts.size,
                                              (tern_linear_opts){ 0 });
    layer.norm1 = tern_layer_norm_layer_declare(ctx, "norm1", opts.size);
    layer.norm2 = tern_layer_norm_layer_declare(ctx, "norm2", opts.size);
    if (opts.cross)
        layer.norm_source = tern_layer_norm_layer_declare(ctx, "norm_source", opts.size);
    tern_scope_pop(ctx);
    return layer;
}

static tern_tensor *add_dropped(tern_ctx *ctx, tern_tensor *x, tern_tensor *branch, double dropout)
{
    if (dropout > 0 && tern_is_training(ctx))
        branch = tern_dropout(ctx, branch, (tern_dropout_opts){ .p = dropout });
    return tern_add(ctx, x, branch);
}

tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask, tern_tensor *source,
                                            tern_tensor *source_mask)
{
    double dropout = layer->opts.dropout;
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *target = tern_layer_norm_layer_forward(ctx, &layer->norm1, x);
    tern_tensor *seen = target, *seen_mask = mask;
    if (layer->opts.cross) {
        seen = tern_layer_norm_layer_forward(ctx, &layer->norm_source, source);
        seen_mask = source_mask;
    }
    tern_tensor *attended = tern_multi_head_attention_forward(ctx, &layer->attention, target, seen,
                                                              mask, seen_mask);
    x = add_dropped(ctx, x, attended, dropout);

    tern_tensor *hidden = tern_layer_norm_layer_forward(ctx, &layer->norm2, x);
    hidden = tern_linear_layer_forward(ctx, &layer->linear1, hidden);
    if (dropout > 0 && tern_is_training(ctx))
        hidden = tern_dropout(ctx, hidden, (tern_dropout_opts){ .p = dropout });
    hidden = tern_linear_layer_forward(ctx, &layer->linear2, hidden);
    x = add_dropped(ctx, x, hidden, dropout);
    tern_scope_pop(ctx);
    return x;
}
