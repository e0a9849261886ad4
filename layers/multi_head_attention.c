#include "layers/multi_head_attention.h"

#include "core/params.h"
#include "kernels/attention/attention.h"
#include "kernels/shape/slice.h"

tern_multi_head_attention tern_multi_head_attention_declare(tern_ctx *ctx, const char *name,
                                                            int64_t size, int64_t heads,
                                                            double dropout)
{
    tern_multi_head_attention layer = { .name = name, .size = size, .heads = heads,
                                        .dropout = dropout };
    tern_scope_push(ctx, "%s", name);
    layer.in_weight = tern_param(ctx, "in_proj_weight", 2, (int64_t[]){ 3 * size, size },
                                 (tern_param_opts){ .init = tern_init_xavier(size, 3 * size) });
    layer.in_bias = tern_param(ctx, "in_proj_bias", 1, (int64_t[]){ 3 * size },
                               (tern_param_opts){ .no_decay = true });
    layer.out = tern_linear_layer_declare(ctx, "out_proj", size, size, (tern_linear_opts){ 0 });
    tern_scope_pop(ctx);
    return layer;
}

/* Rows [first, first + count) of the joint projection, in units of the size. */
static tern_tensor *project(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *x,
                            int first, int count)
{
    tern_slice_opts rows = { .axis = 0, .start = first * layer->size,
                             .length = count * layer->size };
    if (count == 3)
        return tern_linear(ctx, x, layer->in_weight, layer->in_bias, (tern_linear_opts){ 0 });
    return tern_linear(ctx, x, tern_slice(ctx, layer->in_weight, rows),
                       tern_slice(ctx, layer->in_bias, rows), (tern_linear_opts){ 0 });
}

static tern_tensor *columns(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *x,
                            int which)
{
    return tern_slice(ctx, x, (tern_slice_opts){ .axis = -1, .start = which * layer->size,
                                                 .length = layer->size });
}

tern_tensor *tern_multi_head_attention_forward(tern_ctx *ctx,
                                               const tern_multi_head_attention *layer,
                                               tern_tensor *target, tern_tensor *source,
                                               tern_tensor *target_mask, tern_tensor *source_mask)
{
    tern_tensor *q, *k, *v;
    tern_scope_push(ctx, "%s", layer->name);
    if (target == source) {
        tern_tensor *joint = project(ctx, layer, target, 0, 3);
        q = columns(ctx, layer, joint, 0);
        k = columns(ctx, layer, joint, 1);
        v = columns(ctx, layer, joint, 2);
    } else {
        q = project(ctx, layer, target, 0, 1);
        tern_tensor *joint = project(ctx, layer, source, 1, 2);
        k = columns(ctx, layer, joint, 0);
        v = columns(ctx, layer, joint, 1);
    }
    tern_tensor *y = tern_attention(ctx, q, k, v, target_mask, source_mask,
                                    (tern_attention_opts){ .heads = layer->heads,
                                                           .dropout = layer->dropout }, NULL);
    y = tern_linear_layer_forward(ctx, &layer->out, y);
    tern_scope_pop(ctx);
    return y;
}
