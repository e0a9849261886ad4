#include "layers/channel_norm.h"

#include "kernels/elementwise/activation_ops.h"
#include "layers/input.h"

/* Batch norm applies it itself. */
static bool is_fused(const tern_channel_norm_opts *opts)
{
    return opts->kind == TERN_NORM_BATCH &&
           (opts->activation == TERN_ACT_NONE || opts->activation == TERN_ACT_RELU);
}

tern_channel_norm tern_channel_norm_declare(tern_ctx *ctx, const char *name, int64_t channels,
                                            tern_channel_norm_opts opts)
{
    tern_channel_norm norm = { .opts = opts };
    switch (opts.kind) {
    case TERN_NORM_BATCH:
        norm.batch = tern_batch_norm_layer_declare(
            ctx, name, channels, (tern_batch_norm_opts){
                .activation = is_fused(&opts) ? opts.activation : TERN_ACT_NONE });
        break;
    case TERN_NORM_GROUP:
        norm.group = tern_group_norm_layer_declare(
            ctx, name, channels, (tern_group_norm_opts){ .groups = opts.groups });
        break;
    case TERN_NORM_LAYER:
        norm.layer = tern_layer_norm_layer_declare(ctx, name, channels,
                                                   (tern_layer_norm_opts){ 0 });
        break;
    case TERN_NORM_NONE: break;
    }
    return norm;
}

static tern_tensor *normalise_groups(tern_ctx *ctx, const tern_channel_norm *norm, tern_tensor *x,
                                     const tern_tensor *mask)
{
    char text[TERN_SHAPE_TEXT];
    if (mask && mask->rank > 1) {
        tern_fail(ctx, TERN_ERR_SHAPE,
                  "group norm cannot leave out positions: a mask must be [N], not %s",
                  tern_shape_text(mask, text));
        return tern_nil(ctx);
    }
    return tern_group_norm_layer_forward(ctx, &norm->group, x);
}

tern_tensor *tern_channel_norm_forward(tern_ctx *ctx, const tern_channel_norm *norm,
                                       tern_tensor *x, tern_tensor *mask)
{
    switch (norm->opts.kind) {
    case TERN_NORM_BATCH: x = tern_batch_norm_layer_forward(ctx, &norm->batch, x, mask); break;
    case TERN_NORM_GROUP: x = normalise_groups(ctx, norm, x, mask); break;
    case TERN_NORM_LAYER: x = tern_layer_norm_layer_forward(ctx, &norm->layer, x); break;
    case TERN_NORM_NONE: break;
    }
    if (is_fused(&norm->opts))
        return x;
    return tern_zero_masked(ctx, tern_activate(ctx, x, norm->opts.activation), mask);
}
