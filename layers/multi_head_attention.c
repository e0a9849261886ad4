#include "layers/multi_head_attention.h"

#include "core/params.h"
#include "kernels/attention/attention.h"
#include "kernels/shape/slice.h"

static tern_tensor *declare_weight(tern_ctx *ctx, const tern_multi_head_attention_opts *opts,
                                   const char *name, int64_t outputs, int64_t inputs,
                                   const char *init_like)
{
    tern_init xavier = { .kind = TERN_INIT_XAVIER_UNIFORM };
    return tern_param(ctx, name, 2, (int64_t[]){ outputs, inputs },
                      (tern_param_opts){ .init = tern_init_or(opts->init, xavier),
                                         .init_like = init_like });
}

tern_multi_head_attention tern_multi_head_attention_declare(tern_ctx *ctx, const char *name,
                                                            tern_multi_head_attention_opts opts)
{
    int64_t size = opts.size, joint = 3 * size;
    opts.heads = opts.heads ? opts.heads : 1;
    opts.key_size = opts.key_size ? opts.key_size : size;
    opts.value_size = opts.value_size ? opts.value_size : size;
    opts.dropout = opts.dropout > 0 ? opts.dropout : 0;
    tern_multi_head_attention layer = { .name = name, .opts = opts };
    tern_scope_push(ctx, "%s", name);
    if (size < 1 || opts.heads < 1 || size % opts.heads)
        tern_fail(ctx, TERN_ERR_OPTION, "size is %lld, it must be a multiple of %lld heads",
                  (long long)size, (long long)opts.heads);
    if (opts.key_size == size && opts.value_size == size && !opts.tied_start) {
        layer.in_weight = declare_weight(ctx, &opts, "in_proj_weight", joint, size, NULL);
    } else {
        layer.q_weight = declare_weight(ctx, &opts, "q_proj_weight", size, size, NULL);
        layer.k_weight = declare_weight(ctx, &opts, "k_proj_weight", size, opts.key_size,
                                        opts.tied_start ? "q_proj_weight" : NULL);
        layer.v_weight = declare_weight(ctx, &opts, "v_proj_weight", size, opts.value_size, NULL);
    }
    if (!opts.no_bias)
        layer.in_bias = tern_param(ctx, "in_proj_bias", 1, &joint,
                                   (tern_param_opts){ .no_decay = true });
    layer.out = tern_linear_layer_declare(
        ctx, "out_proj", size, size,
        (tern_linear_layer_opts){ .no_bias = opts.no_bias, .init = opts.init,
                                  .bias_init = { .kind = TERN_INIT_ZERO } });
    tern_scope_pop(ctx);
    return layer;
}

enum { QUERY, KEY, VALUE };

/* Blocks [first, first + count) of D rows each of a joint weight or bias; NULL of none. */
static tern_tensor *rows(tern_ctx *ctx, const tern_multi_head_attention *layer, tern_tensor *joint,
                         int first, int count)
{
    int64_t size = layer->opts.size;
    if (!joint || count == 3)
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
                                               tern_tensor *key_mask,
                                               tern_attention_extras extras)
{
    tern_attention_opts opts = { .heads = layer->opts.heads, .dropout = layer->opts.dropout,
                                 .causal = layer->opts.causal,
                                 .return_weights = extras.weights != NULL };
    tern_tensor *projected[3];
    tern_scope_push(ctx, "%s", layer->name);
    project_all(ctx, layer, query, key, value, projected);
    tern_tensor *y = tern_attention(ctx, projected[QUERY], projected[KEY], projected[VALUE],
                                    query_mask, key_mask, extras.bias, opts, extras.weights);
    y = tern_linear_layer_forward(ctx, &layer->out, y);
    tern_scope_pop(ctx);
    return y;
}
