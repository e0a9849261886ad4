#include "models/fusion_crossmodal.h"

#include "kernels/masked_mean/masked_mean.h"
#include "kernels/shape/concat.h"

static void declare_target(tern_ctx *ctx, const tern_model_config *config,
                           tern_fusion_crossmodal *fusion, int target)
{
    /* Half the usual width of the feed-forward part: there are nine such layers. */
    tern_transformer_opts opts = { .size = config->size, .heads = config->heads,
                                   .hidden = 2 * config->size, .dropout = config->dropout };
    tern_cross_modal_opts cross = { .size = opts.size, .heads = opts.heads,
                                    .hidden = opts.hidden, .dropout = opts.dropout,
                                    .timed = true };
    tern_scope_push(ctx, "%s", tern_stream_names[target]);
    for (int source = 0; source < TERN_STREAMS; source++) {
        if (source == target || !tern_model_has(config, source))
            continue;
        tern_scope_push(ctx, "from_%s", tern_stream_names[source]);
        for (int i = 0; i < fusion->layers; i++)
            fusion->cross[target][source][i] =
                tern_cross_modal_layer_declare(ctx, tern_stack_name(i), cross);
        tern_scope_pop(ctx);
    }
    if (tern_model_stream_count(config) > 1)
        fusion->join[target] = tern_linear_layer_declare(
            ctx, "join", (tern_model_stream_count(config) - 1) * config->size, config->size,
            (tern_linear_layer_opts){ 0 });
    fusion->self[target] = tern_transformer_layer_declare(ctx, "self", opts);
    tern_scope_pop(ctx);
}

void tern_fusion_crossmodal_declare(tern_ctx *ctx, const tern_model_config *config,
                                    tern_fusion_crossmodal *fusion)
{
    *fusion = (tern_fusion_crossmodal){ .layers = (int)config->cross_layers };
    tern_scope_push(ctx, "fusion");
    for (int target = 0; target < TERN_STREAMS; target++)
        if (tern_model_has(config, target))
            declare_target(ctx, config, fusion, target);
    fusion->head = tern_head_declare(ctx, "head",
                                     2 * tern_model_stream_count(config) * config->size, config);
    tern_scope_pop(ctx);
}

/* The target stream as it comes out of looking at one source. */
static tern_tensor *look_at(tern_ctx *ctx, const tern_fusion_crossmodal *fusion,
                            const tern_stream *streams, int target, int source)
{
    tern_cross_modal_stream to = { streams[target].x, streams[target].mask, streams[target].time };
    tern_cross_modal_stream from = { streams[source].x, streams[source].mask,
                                     streams[source].time };
    tern_scope_push(ctx, "from_%s", tern_stream_names[source]);
    for (int i = 0; i < fusion->layers; i++)
        to.x = tern_cross_modal_layer_forward(ctx, &fusion->cross[target][source][i], to, from,
                                              (tern_attention_extras){ 0 });
    tern_scope_pop(ctx);
    return to.x;
}

static void fuse_target(tern_ctx *ctx, const tern_fusion_crossmodal *fusion,
                        const tern_stream *streams, int target, tern_tensor **pooled)
{
    tern_tensor *seen[TERN_STREAMS], *x = streams[target].x;
    int count = 0;
    tern_scope_push(ctx, "%s", tern_stream_names[target]);
    for (int source = 0; source < TERN_STREAMS; source++)
        if (source != target && streams[source].x)
            seen[count++] = look_at(ctx, fusion, streams, target, source);
    if (count) {
        x = tern_concat(ctx, seen, count, (tern_concat_opts){ .axis = -1 });
        x = tern_linear_layer_forward(ctx, &fusion->join[target], x);
    }
    x = tern_transformer_layer_forward(ctx, &fusion->self[target], x, streams[target].mask,
                                       (tern_attention_extras){ 0 });
    pooled[0] = tern_masked_mean(ctx, x, streams[target].mask);
    pooled[1] = tern_masked_mean(ctx, streams[target].x, streams[target].mask);
    tern_scope_pop(ctx);
}

tern_tensor *tern_fusion_crossmodal_forward(tern_ctx *ctx, const tern_fusion_crossmodal *fusion,
                                            const tern_stream *streams)
{
    tern_tensor *pooled[2 * TERN_STREAMS];
    int count = 0;
    tern_scope_push(ctx, "fusion");
    for (int target = 0; target < TERN_STREAMS; target++)
        if (streams[target].x) {
            fuse_target(ctx, fusion, streams, target, &pooled[count]);
            count += 2;
        }
    tern_tensor *joined = tern_concat(ctx, pooled, count, (tern_concat_opts){ .axis = -1 });
    tern_tensor *logits = tern_head_forward(ctx, &fusion->head, joined);
    tern_scope_pop(ctx);
    return logits;
}
