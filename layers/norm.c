#include "layers/norm.h"

#include "core/params.h"
#include "kernels/layer_norm/add_layer_norm.h"

static tern_tensor *declare_vector(tern_ctx *ctx, const char *name, int64_t size,
                                   tern_init_kind start)
{
    return tern_param(ctx, name, 1, &size,
                      (tern_param_opts){ .init = { .kind = start }, .no_decay = true });
}

/* ---------------------------------------------------------- layer norm -- */

tern_layer_norm_layer tern_layer_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                    tern_layer_norm_opts opts)
{
    tern_layer_norm_layer layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    layer.weight = declare_vector(ctx, "weight", size, TERN_INIT_ONE);
    layer.bias = declare_vector(ctx, "bias", size, TERN_INIT_ZERO);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_layer_norm_layer_forward(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                           tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_layer_norm(ctx, x, layer->weight, layer->bias, layer->opts);
    tern_scope_pop(ctx);
    return y;
}

tern_tensor *tern_layer_norm_layer_add(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                       tern_tensor *x, tern_tensor *branch, tern_tensor **sum)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_add_layer_norm(ctx, x, branch, layer->weight, layer->bias, sum,
                                         layer->opts);
    tern_scope_pop(ctx);
    return y;
}

/* ------------------------------------------------------------ RMS norm -- */

tern_rms_norm_layer tern_rms_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                tern_rms_norm_opts opts)
{
    tern_rms_norm_layer layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    layer.weight = declare_vector(ctx, "weight", size, TERN_INIT_ONE);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_rms_norm_layer_forward(tern_ctx *ctx, const tern_rms_norm_layer *layer,
                                         tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_rms_norm(ctx, x, layer->weight, layer->opts);
    tern_scope_pop(ctx);
    return y;
}

/* ---------------------------------------------------------- group norm -- */

tern_group_norm_layer tern_group_norm_layer_declare(tern_ctx *ctx, const char *name,
                                                    int64_t channels, tern_group_norm_opts opts)
{
    tern_group_norm_layer layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    layer.weight = declare_vector(ctx, "weight", channels, TERN_INIT_ONE);
    layer.bias = declare_vector(ctx, "bias", channels, TERN_INIT_ZERO);
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_group_norm_layer_forward(tern_ctx *ctx, const tern_group_norm_layer *layer,
                                           tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_group_norm(ctx, x, layer->weight, layer->bias, layer->opts);
    tern_scope_pop(ctx);
    return y;
}

/* ---------------------------------------------------------- batch norm -- */

tern_batch_norm_layer tern_batch_norm_layer_declare(tern_ctx *ctx, const char *name,
                                                    int64_t channels, tern_batch_norm_opts opts)
{
    tern_batch_norm_layer layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    layer.weight = declare_vector(ctx, "weight", channels, TERN_INIT_ONE);
    layer.bias = declare_vector(ctx, "bias", channels, TERN_INIT_ZERO);
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
