#include "models/head.h"

#include "layers/dropout.h"

tern_head tern_head_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                            const tern_model_config *config)
{
    tern_head head = { .dropout = config->dropout };
    tern_scope_push(ctx, "%s", name);
    head.hidden = tern_linear_layer_declare(ctx, "hidden", inputs, config->size,
                                            (tern_linear_layer_opts){ .activation = TERN_ACT_RELU });
    head.out = tern_linear_layer_declare(ctx, "out", config->size, config->classes,
                                         (tern_linear_layer_opts){ 0 });
    tern_scope_pop(ctx);
    return head;
}

tern_tensor *tern_head_forward(tern_ctx *ctx, const tern_head *head, tern_tensor *x)
{
    x = tern_linear_layer_forward(ctx, &head->hidden, x);
    x = tern_drop(ctx, x, head->dropout);
    return tern_linear_layer_forward(ctx, &head->out, x);
}
