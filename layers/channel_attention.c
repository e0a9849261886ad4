#include "layers/channel_attention.h"

#include "kernels/elementwise/activation_ops.h"
#include "kernels/elementwise/binary.h"
#include "kernels/masked_max/masked_max.h"
#include "kernels/masked_mean/masked_mean.h"
#include "kernels/shape/reshape.h"
#include "layers/input.h"

tern_channel_attention tern_channel_attention_declare(tern_ctx *ctx, const char *name,
                                                      int64_t channels,
                                                      tern_channel_attention_opts opts)
{
    opts.reduction = opts.reduction ? opts.reduction : 16;
    tern_channel_attention layer = { .name = name, .opts = opts };
    int64_t hidden = channels > opts.reduction ? channels / opts.reduction : 1;
    tern_scope_push(ctx, "%s", name);
    if (opts.reduction < 1)
        tern_fail(ctx, TERN_ERR_OPTION, "reduction is %lld, it must be at least 1",
                  (long long)opts.reduction);
    layer.fc1 = tern_linear_layer_declare(
        ctx, "fc1", channels, hidden,
        (tern_linear_layer_opts){ .activation = TERN_ACT_RELU, .init = opts.init });
    layer.fc2 = tern_linear_layer_declare(ctx, "fc2", hidden, channels,
                                          (tern_linear_layer_opts){ .init = opts.init });
    tern_scope_pop(ctx);
    return layer;
}

/* pooled [N,C] -> [N,C] */
static tern_tensor *score(tern_ctx *ctx, const tern_channel_attention *layer, tern_tensor *pooled)
{
    pooled = tern_linear_layer_forward(ctx, &layer->fc1, pooled);
    return tern_linear_layer_forward(ctx, &layer->fc2, pooled);
}

static tern_tensor *attend(tern_ctx *ctx, const tern_channel_attention *layer, tern_tensor *x,
                           tern_tensor *mask)
{
    int64_t rows = x->shape[0], channels = tern_dim(x, -1);
    int64_t positions = tern_extent(x, 1, x->rank - 1);
    tern_tensor *valid = tern_mask_positions(ctx, x, mask);
    tern_tensor *features = tern_reshape(ctx, x, (tern_reshape_opts){
        .shape = { rows, positions, channels } });
    tern_tensor *scores = score(ctx, layer, tern_masked_mean(ctx, features, valid));
    if (!layer->opts.mean_only)
        scores = tern_add(ctx, scores, score(ctx, layer, tern_masked_max(ctx, features, valid)));

    tern_reshape_opts beside_x = { .shape = { rows } };
    for (int axis = 1; axis < x->rank; axis++)
        beside_x.shape[axis] = axis == x->rank - 1 ? channels : 1;
    return tern_mul(ctx, x, tern_reshape(ctx, tern_sigmoid(ctx, scores), beside_x));
}

tern_tensor *tern_channel_attention_forward(tern_ctx *ctx, const tern_channel_attention *layer,
                                            tern_tensor *x, tern_tensor *mask)
{
    tern_tensor *y = tern_nil(ctx);
    tern_scope_push(ctx, "%s", layer->name);
    if (tern_input_has_axes(ctx, x, 3, TERN_MAX_RANK, "x [N,...,C]"))
        y = attend(ctx, layer, x, mask);
    tern_scope_pop(ctx);
    return y;
}
