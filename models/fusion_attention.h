/* Fusion 2: attention over time, then over modalities, gated.
 *
 *   stream m [N,T,D] --attention pooling--> v_m [N,D]        when to look
 *
 *   score_m = <w_m, v_m> + b_m          a = softmax over the modalities present
 *   gate_m  = sigmoid(G_m v_m + c_m)                          what to let through
 *
 *   u_m = M * a_m * gate_m * v_m        [N,D]                 whom to trust
 *   concat(u_1 .. u_3) [N,3*D] --> head --> logits
 *
 * M, the number of modalities that the row has, keeps the scale: equal weights multiply by
 * one, whoever is missing.  A missing modality gets weight zero.
 */
#ifndef TERN_MODELS_FUSION_ATTENTION_H
#define TERN_MODELS_FUSION_ATTENTION_H

#include "layers/attention_pool.h"
#include "models/head.h"
#include "models/stream.h"

typedef struct tern_fusion_attention {
    tern_attention_pool pool[TERN_STREAMS];
    tern_linear_layer score[TERN_STREAMS], gate[TERN_STREAMS];
    tern_head head;
} tern_fusion_attention;

void tern_fusion_attention_declare(tern_ctx *ctx, const tern_model_config *config,
                                   tern_fusion_attention *fusion);
tern_tensor *tern_fusion_attention_forward(tern_ctx *ctx, const tern_fusion_attention *fusion,
                                           const tern_stream *streams);

#endif
