#include "layers/conv2d.h"

tern_conv2d_layer tern_conv2d_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_conv2d_layer_opts opts)
{
    tern_conv2d_layer layer = {
        .name = name,
        .opts = { .stride = { opts.stride[0], opts.stride[1] },
                  .pad = { opts.pad[0], opts.pad[1] },
                  .dilation = { opts.dilation[0], opts.dilation[1] },
                  .groups = opts.groups, .activation = opts.activation },
    };
    int64_t height = opts.kernel[0] ? opts.kernel[0] : 3;
    int64_t width = opts.kernel[1] ? opts.kernel[1] : 3;
    int64_t group_inputs = inputs / (opts.groups > 1 ? opts.groups : 1);
    tern_init usual = tern_init_fan_in(height * width * group_inputs);
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 4,
                              (int64_t[]){ outputs, height, width, group_inputs },
                              (tern_param_opts){ .init = tern_init_or(opts.init, usual),
                                                 .layout = TERN_LAYOUT_OHWI_FROM_OIHW });
    if (!opts.no_bias)
        layer.bias = tern_param(ctx, "bias", 1, (int64_t[]){ outputs },
                                (tern_param_opts){ .init = usual, .no_decay = true });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_conv2d_layer_forward(tern_ctx *ctx, const tern_conv2d_layer *layer,
                                       tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_conv2d(ctx, x, layer->weight, layer->bias, layer->opts);
    tern_scope_pop(ctx);
    return y;
}
