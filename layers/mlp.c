#include "layers/mlp.h"

#include "layers/dropout.h"
#include "layers/stack.h"

enum { STRIDE = 3 }; /* of the linear layers' numbers: activation and dropout count too */

tern_mlp tern_mlp_declare(tern_ctx *ctx, const char *name, int64_t inputs, int64_t outputs,
                          tern_mlp_opts opts)
{
    tern_mlp layer = { .name = name, .dropout = opts.dropout };
    tern_activation activation = opts.activation ? opts.activation : TERN_ACT_RELU;
    tern_scope_push(ctx, "%s", name);
    for (int i = 0; i < TERN_MLP_HIDDEN && opts.hidden[i]; i++) {
        layer.linear[layer.count++] = tern_linear_layer_declare(
            ctx, tern_stack_name(STRIDE * i), inputs, opts.hidden[i],
            (tern_linear_layer_opts){ .activation = activation, .init = opts.init });
        inputs = opts.hidden[i];
    }
    layer.linear[layer.count] =
        tern_linear_layer_declare(ctx, tern_stack_name(STRIDE * layer.count), inputs, outputs,
                                  (tern_linear_layer_opts){ .init = opts.init });
    layer.count++;
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_mlp_forward(tern_ctx *ctx, const tern_mlp *layer, tern_tensor *x)
{
    tern_scope_push(ctx, "%s", layer->name);
    for (int i = 0; i < layer->count; i++) {
        if (i > 0)
            x = tern_drop(ctx, x, layer->dropout);
        x = tern_linear_layer_forward(ctx, &layer->linear[i], x);
    }
    tern_scope_pop(ctx);
    return x;
}
