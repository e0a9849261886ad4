#include "layers/cbam.h"

tern_cbam tern_cbam_declare(tern_ctx *ctx, const char *name, int64_t channels,
                            tern_cbam_opts opts)
{
    tern_cbam layer = { .name = name };
    tern_scope_push(ctx, "%s", name);
    layer.channel = tern_channel_attention_declare(
        ctx, "channel", channels,
        (tern_channel_attention_opts){ .reduction = opts.reduction, .init = opts.init });
    layer.spatial = tern_spatial_attention_declare(
        ctx, "spatial",
        (tern_spatial_attention_opts){ .kernel = opts.kernel, .init = opts.init });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_cbam_forward(tern_ctx *ctx, const tern_cbam *layer, tern_tensor *x,
                               tern_tensor *mask)
{
    tern_scope_push(ctx, "%s", layer->name);
    x = tern_channel_attention_forward(ctx, &layer->channel, x, mask);
    x = tern_spatial_attention_forward(ctx, &layer->spatial, x, mask);
    tern_scope_pop(ctx);
    return x;
}
