#include "models/fusion_attention.h"

#include "kernels/elementwise/binary.h"
#include "kernels/shape/concat.h"
#include "kernels/shape/slice.h"
#include "kernels/softmax/softmax.h"
#include "layers/modality_dropout.h"

void tern_fusion_attention_declare(tern_ctx *ctx, const tern_model_config *config,
                                   tern_fusion_attention *fusion)
{
    *fusion = (tern_fusion_attention){ 0 };
    tern_scope_push(ctx, "fusion");
    for (int s = 0; s < TERN_STREAMS; s++) {
        if (!tern_model_has(config, s))
            continue;
        tern_scope_push(ctx, "%s", tern_stream_names[s]);
        fusion->pool[s] = tern_attention_pool_declare(ctx, "pool", config->size, config->heads);
        /* Who is to be trusted is learnt from trusting all alike. */
        tern_init zero = { .kind = TERN_INIT_ZERO };
        fusion->score[s] = tern_linear_layer_declare(
            ctx, "score", config->size, 1,
            (tern_linear_layer_opts){ .init = zero, .bias_init = zero });
        fusion->gate[s] = tern_linear_layer_declare(
            ctx, "gate", config->size, config->size,
            (tern_linear_layer_opts){ .activation = TERN_ACT_SIGMOID, .init = zero,
                                      .bias_init = zero });
        tern_scope_pop(ctx);
    }
    fusion->head = tern_head_declare(ctx, "head", tern_model_stream_count(config) * config->size,
                                     config);
    tern_scope_pop(ctx);
}

tern_tensor *tern_fusion_attention_forward(tern_ctx *ctx, const tern_fusion_attention *fusion,
                                           const tern_stream *streams)
{
    tern_tensor *pooled[TERN_STREAMS], *scores[TERN_STREAMS], *masks[TERN_STREAMS];
    int which[TERN_STREAMS], count = 0;
    tern_scope_push(ctx, "fusion");
    for (int s = 0; s < TERN_STREAMS; s++) {
        if (!streams[s].x)
            continue;
        tern_scope_push(ctx, "%s", tern_stream_names[s]);
        pooled[count] = tern_attention_pool_forward(ctx, &fusion->pool[s], streams[s].x,
                                                    streams[s].mask);
        scores[count] = tern_linear_layer_forward(ctx, &fusion->score[s], pooled[count]);
        masks[count] = streams[s].mask;
        which[count++] = s;
        tern_scope_pop(ctx);
    }
    tern_concat_opts side_by_side = { .axis = -1 };
    tern_modalities there = tern_drop_modalities(ctx, masks, count, 0); /* hides no more */
    tern_tensor *weights = tern_softmax(ctx, tern_concat(ctx, scores, count, side_by_side),
                                        there.present);
    /* softmax sums to one; times the row's modalities it keeps the vectors' scale */
    weights = tern_mul(ctx, weights, there.count);
    for (int m = 0; m < count; m++) {
        tern_tensor *weight = tern_slice(ctx, weights, (tern_slice_opts){ .axis = -1, .start = m,
                                                                          .length = 1 });
        tern_tensor *gate = tern_linear_layer_forward(ctx, &fusion->gate[which[m]], pooled[m]);
        pooled[m] = tern_mul(ctx, tern_mul(ctx, pooled[m], gate), weight);
    }
    tern_tensor *joined = tern_concat(ctx, pooled, count, side_by_side);
    tern_tensor *logits = tern_head_forward(ctx, &fusion->head, joined);
    tern_scope_pop(ctx);
    return logits;
}
