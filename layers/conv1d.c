#include "layers/conv1d.h"

tern_conv1d_layer tern_conv1d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_conv1d_layer_opts opts)
{
    tern_conv1d_layer layer = {
        .name = name,
        .opts = { .stride = opts.stride, .pad = opts.pad, .dilation = opts.dilation,
                  .groups = opts.groups, .activation = opts.activation },
    };
    int64_t kernel = opts.kernel ? opts.kernel : 3;
    int64_t group_inputs = inputs / (opts.groups > 1 ? opts.groups : 1);
    tern_init usual = tern_init_fan_in(kernel * group_inputs);
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 3, (int64_t[]){ outputs, kernel, group_inputs },
                              (tern_param_opts){ .init = tern_init_or(opts.init, usual),
                                                 .layout = TERN_LAYOUT_OTI_FROM_OIT });
    if (!opts.no_bias)
        layer.bias = tern_param(ctx, "bias", 1, (int64_t[]){ outputs },
                                (tern_param_opts){ .init = usual, .no_decay = true });
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
