#include "layers/linear.h"

tern_linear_layer tern_linear_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_linear_layer_opts opts)
{
    tern_linear_layer layer = { .name = name, .opts = { .activation = opts.activation } };
    tern_init usual = tern_init_fan_in(inputs);
    tern_scope_push(ctx, "%s", name);
    layer.weight = tern_param(ctx, "weight", 2, (int64_t[]){ outputs, inputs },
                              (tern_param_opts){ .init = tern_init_or(opts.init, usual) });
    if (!opts.no_bias)
        layer.bias = tern_param(ctx, "bias", 1, (int64_t[]){ outputs },
                                (tern_param_opts){ .init = tern_init_or(opts.bias_init, usual),
                                                   .no_decay = true });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_linear_layer_forward(tern_ctx *ctx, const tern_linear_layer *layer,
                                       tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    tern_tensor *y = tern_linear(ctx, x, layer->weight, layer->bias, layer->opts);
    tern_scope_pop(ctx);
    return y;
}
