#include "models/fusion_concat.h"

#include "kernels/masked_mean/masked_mean.h"
#include "kernels/shape/concat.h"

tern_fusion_concat tern_fusion_concat_declare(tern_ctx *ctx, const tern_model_config *config)
{
    tern_fusion_concat fusion;
    tern_scope_push(ctx, "fusion");
    fusion.head = tern_head_declare(ctx, "head", tern_model_stream_count(config) * config->size,
                                    config);
    tern_scope_pop(ctx);
    return fusion;
}

tern_tensor *tern_fusion_concat_forward(tern_ctx *ctx, const tern_fusion_concat *fusion,
                                        const tern_stream *streams)
{
    tern_tensor *pooled[TERN_STREAMS];
    int count = 0;
    tern_scope_push(ctx, "fusion");
    for (int s = 0; s < TERN_STREAMS; s++)
        if (streams[s].x)
            pooled[count++] = tern_masked_mean(ctx, streams[s].x, streams[s].mask);
    tern_tensor *joined = tern_concat(ctx, pooled, count, (tern_concat_opts){ .axis = -1 });
    tern_tensor *logits = tern_head_forward(ctx, &fusion->head, joined);
    tern_scope_pop(ctx);
    return logits;
}
