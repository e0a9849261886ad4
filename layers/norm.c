#include "layers/norm.h"

#include "core/params.h"
#include "kernels/layer_norm/layer_norm.h"

static const tern_param_opts ONES = { .init = { TERN_INIT_ONE, 0 }, .no_decay = true };
static const tern_param_opts ZEROS = { .init = { TERN_INIT_ZERO, 0 }, .no_decay = true };

tern_layer_norm_layer tern_layer_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size)
{
    tern_layer_norm_layer layer = { .name = name };
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 1, &size, ONES);
    layer.bias = tern_param(ctx, "bias", 1, &size, ZEROS);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_layer_norm_layer_forward(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                           tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_layer_norm(ctx, x, layer->weight, layer->bias,
                                     (tern_layer_norm_opts){ 0 });
    tern_scope_pop(ctx);
    return y;
}

tern_batch_norm_layer tern_batch_norm_layer_declare(tern_ctx *ctx, const char *name,
                                                    int64_t channels, tern_batch_norm_opts opts)
{
    tern_batch_norm_layer layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 1, &channels, ONES);
    layer.bias = tern_param(ctx, "bias", 1, &channels, ZEROS);
    layer.running_mean = tern_state(ctx, "running_mean", 1, &channels, 0);
    layer.running_var = tern_state(ctx, "running_var", 1, &channels, 1);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_batch_norm_layer_forward(tern_ctx *ctx, const tern_batch_norm_layer *layer,
                                           tern_tensor *x, tern_tensor *mask)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_batch_norm(ctx, x, layer->weight, layer->bias, layer->running_mean,
                                     layer->running_var, mask, layer->opts);
    tern_scope_pop(ctx);
    return y;
}
