#include "layers/attention_pool.h"

#include "kernels/attention/attention.h"
#include "kernels/elementwise/binary.h"
#include "kernels/shape/reshape.h"
#include "layers/input.h"

tern_attention_pool tern_attention_pool_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                int64_t heads)
{
    tern_attention_pool layer = { .name = name, .size = size, .heads = heads };
    tern_scope_push(ctx, "%s", name);
    layer.query = tern_param(
        ctx, "query", 1, &size,
        (tern_param_opts){ .init = { .kind = TERN_INIT_NORMAL }, .no_decay = true });
    layer.key = tern_linear_layer_declare(ctx, "key", size, size, (tern_linear_layer_opts){ 0 });
    tern_scope_pop(ctx);
    return layer;
}

static tern_tensor *pool(tern_ctx *ctx, const tern_attention_pool *layer, tern_tensor *x,
                         tern_tensor *mask)
{
    int64_t rows = x->shape[0];
    /* The same query for every row: broadcast by adding it to zeros. */
    tern_tensor *zeros = tern_full(ctx, 3, (int64_t[]){ rows, 1, layer->size }, 0);
    tern_tensor *query = tern_add(ctx, zeros, layer->query);
    tern_tensor *key = tern_linear_layer_forward(ctx, &layer->key, x);
    tern_tensor *y = tern_attention(ctx, query, key, x, NULL, mask, NULL,
                                    (tern_attention_opts){ .heads = layer->heads }, NULL);
    return tern_reshape(ctx, y, (tern_reshape_opts){ .shape = { rows, layer->size } });
}

tern_tensor *tern_attention_pool_forward(tern_ctx *ctx, const tern_attention_pool *layer,
                                         tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *y = tern_nil(ctx);
    tern_scope_push(ctx, "%s", layer->name);
    if (tern_input_has_axes(ctx, x, 3, 3, "x [N,T,D]"))
        y = pool(ctx, layer, x, mask);
    tern_scope_pop(ctx);
    return y;
}
