#include "layers/conv1d.h"

#include "core/params.h"

tern_conv1d_layer tern_conv1d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, int64_t kernel,
                                            tern_conv1d_opts opts)
{
    tern_conv1d_layer layer = { .name = name, .opts = opts };
    int64_t group_inputs = inputs / (opts.groups > 1 ? opts.groups : 1);
    tern_init init = tern_init_fan_in(group_inputs * kernel);
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 3, (int64_t[]){ outputs, kernel, group_inputs },
                              (tern_param_opts){ .init = init,
                                                 .layout = TERN_LAYOUT_OTI_FROM_OIT });
    layer.bias = tern_param(ctx, "bias", 1, (int64_t[]){ outputs },
                            (tern_param_opts){ .init = init, .no_decay = true });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_conv1d_layer_forward(tern_ctx *ctx, const tern_conv1d_layer *layer,
                                       tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_conv1d(ctx, x, layer->weight, layer->bias, layer->opts);
    tern_scope_pop(ctx);
    return y;
}
