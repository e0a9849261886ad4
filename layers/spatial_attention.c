#include "layers/spatial_attention.h"

#include "kernels/elementwise/binary.h"
#include "kernels/reduce/reduce.h"
#include "kernels/shape/concat.h"
#include "layers/input.h"

tern_spatial_attention tern_spatial_attention_declare(tern_ctx *ctx, const char *name,
                                                      tern_spatial_attention_opts opts)
{
    int64_t kernel = opts.kernel ? opts.kernel : 7, pad = kernel / 2;
    tern_spatial_attention layer = { .name = name };
    tern_scope_push(ctx, "%s", name);
    if (kernel < 1 || kernel % 2 == 0)
        tern_fail(ctx, TERN_ERR_OPTION, "kernel is %lld, it must be odd", (long long)kernel);
    layer.conv = tern_conv2d_layer_declare(
        ctx, "conv", 2, 1,
        (tern_conv2d_layer_opts){ .kernel = { kernel, kernel }, .pad = { pad, pad },
                                  .activation = TERN_ACT_SIGMOID, .no_bias = true,
                                  .init = opts.init });
    tern_scope_pop(ctx);
    return layer;
}

tern_tensor *tern_spatial_attention_forward(tern_ctx *ctx, const tern_spatial_attention *layer,
                                            tern_tensor *x, tern_tensor *mask)
{
    tern_reduce_opts over_channels = { .axes = { -1 }, .axis_count = 1, .keep_dims = true };
    tern_tensor *y = tern_nil(ctx);
    tern_scope_push(ctx, "%s", layer->name);
    if (tern_input_has_axes(ctx, x, 4, 4, "x [N,H,W,C]")) {
        tern_tensor *seen[] = { tern_mean(ctx, x, over_channels), tern_max(ctx, x, over_channels) };
        tern_tensor *both = tern_concat(ctx, seen, 2, (tern_concat_opts){ .axis = -1 });
        both = tern_zero_masked(ctx, both, mask);
        y = tern_mul(ctx, x, tern_conv2d_layer_forward(ctx, &layer->conv, both));
    }
    tern_scope_pop(ctx);
    return y;
}
