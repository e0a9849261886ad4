#include "layers/multi_head_attention.h"

#include "core/params.h"
#include "kernels/attention/attention.h"
#include "kernels/shape/slice.h"

static tern_tensor *declare_weight(tern_ctx *ctx, const char *name, int64_t outputs,
                                   int64_t inputs, const char *init_like)
{
    return tern_param(ctx, name, 2, (int64_t[]){ outputs, inputs },
                      (tern_param_opts){ .init = tern_init_xavier(inputs, outputs),
                                         .init_like = init_like });
}

static tern_tensor *declare_bias(tern_ctx *ctx, const char *name, int64_t size)
{
    return tern_param(ctx, name, 1, &size, (tern_param_opts){ .no_decay = true });
}

tern_multi_head_attention tern_multi_head_attention_declare(tern_ctx *ctx, const char *name,
                                                            tern_multi_head_attention_opts opts)
{
    int64_t size = opts.size;
    opts.key_size = opts.key_size ? opts.key_size : size;
    opts.value_size = opts.value_size ? opts.value_size : size;
    tern_multi_head_attention layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    if (opts.key_size == size && opts.value_size == size && !opts.tied_start) {
        layer.in_weight = declare_weight(ctx, "in_proj_weight", 3 * size, size, NULL);
    } else {
        layer.q_weight = declare_weight(ctx, "q_proj_weight", size, size, NULL);
        layer.k_weight = declare_weight(ctx, "k_proj_weight", size, opts.key_size,
                                        opts.tied_start ? "q_proj_weight" : NULL);
        layer.v_weight = declare_weight(ctx, "v_proj_weight", size, opts.value_size, NULL);
    }
    layer.in_bias = declare_bias(ctx, "in_proj_bias", 3 * size);
    /* A linear layer but for its bias, which PyTorch lets start from zero here. */
    layer.out.name = "out_proj";
    tern_scope_push(ctx, "%s", layer.out.name);
    layer.out.weight = tern_param(ctx, "weight", 2, (int64_t[]){ size, size },
                                  (tern_param_opts){ .init = tern_init_fan_in(size) });
    layer.out.bias = declare_bias(ctx, "bias", size);
    tern_scope_pop(ctx);
    tern_scope_pop(ctx);
    return layer;
}

enum { QUERY, KEY, VALUE };

/* Blocks [first, first + count) of D rows each of a joint weight or bias. */
static tern_tensor *rows(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *joint,
                         int first, int count)
{
    int64_t size = layer->opts.size;
    if (count == 3)
        return joint;
    return tern_slice(ctx, joint, (tern_slice_opts){ .axis = 0, .start = first * size,
                                                     .length = count * size });
}

/* x times those blocks: count projections side by side. */
static tern_tensor *project(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *x,
                            int first, int count)
{
    tern_tensor *weight = layer->in_weight ? rows(ctx, layer, layer->in_weight, first, count)
                          : first == QUERY ? layer->q_weight
                          : first == KEY   ? layer->k_weight
                                           : layer->v_weight;
    return tern_linear(ctx, x, weight, rows(ctx, layer, layer->in_bias, first, count),
                       (tern_linear_opts){ 0 });
}

/* One of the projections that stand side by side. */
static tern_tensor *columns(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *x,
                            int which)
{
    return tern_slice(ctx, x, (tern_slice_opts){ .axis = -1, .start = which * layer->opts.size,
                                                 .length = layer->opts.size });
}

/* q, k and v, with as few products as there are different streams. */
static void project_all(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *query,
                        tern_tensor *key, tern_tensor *value, tern_tensor *projected[3])
{
    if (layer->in_weight && query == key && key == value) {
        tern_tensor *joint = project(ctx, layer, query, QUERY, 3);
        for (int which = QUERY; which <= VALUE; which++)
            projected[which] = columns(ctx, layer, joint, which);
        return;
    }
    projected[QUERY] = project(ctx, layer, query, QUERY, 1);
    if (layer->in_weight && key == value) {
        tern_tensor *joint = project(ctx, layer, key, KEY, 2);
        projected[KEY] = columns(ctx, layer, joint, 0);
        projected[VALUE] = columns(ctx, layer, joint, 1);
        return;
    }
    projected[KEY] = project(ctx, layer, key, KEY, 1);
    projected[VALUE] = project(ctx, layer, value, VALUE, 1);
}

tern_tensor *tern_multi_head_attention_forward(tern_ctx *ctx,
                                               const tern_multi_head_attention *layer,
                                               tern_tensor *query, tern_tensor *key,
                                               tern_tensor *value, tern_tensor *query_mask,
                                               tern_tensor *key_mask, tern_tensor **weights)
{
    tern_attention_opts opts = { .heads = layer->opts.heads, .dropout = layer->opts.dropout,
                                 .causal = layer->opts.causal, .return_weights = weights != NULL };
    tern_tensor *projected[3];
    tern_scope_push(ctx, "%s", layer->name);
    project_all(ctx, layer, query, key, value, projected);
    tern_tensor *y = tern_attention(ctx, projected[QUERY], projected[KEY], projected[VALUE],
                                    query_mask, key_mask, NULL, opts, weights);
    y = tern_linear_layer_forward(ctx, &layer->out, y);
    tern_scope_pop(ctx);
    return y;
}
