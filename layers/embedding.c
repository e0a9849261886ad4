#include "layers/embedding.h"

tern_embedding_layer tern_embedding_layer_declare(tern_ctx *ctx, const char *name,
                                                  int64_t vocabulary, int64_t size,
                                                  tern_embedding_layer_opts opts)
{
    tern_embedding_layer layer = { .name = name,
                                   .opts = { .padding_index = opts.padding_index,
                                             .has_padding = opts.has_padding } };
    tern_init init = tern_init_or(opts.init, (tern_init){ .kind = TERN_INIT_NORMAL });
    init.has_zero_row = opts.has_padding;
    init.zero_row = opts.padding_index;
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 2, (int64_t[]){ vocabulary, size },
                              (tern_param_opts){ .init = init, .no_decay = true });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_embedding_layer_forward(tern_ctx *ctx, const tern_embedding_layer *layer,
                                          tern_tensor *tokens)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_embedding(ctx, layer->weight, tokens, layer->opts);
    tern_scope_pop(ctx);
    return y;
}
