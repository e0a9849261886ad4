/* Fusion 1: concatenation of pooled vectors.
 *
 *   face  [N,Tf,D] --masked mean--> [N,D] --+
 *   audio [N,Ta,D] --masked mean--> [N,D] --+--> concat [N,M*D] --> head --> logits
 *   text  [N,Tt,D] --masked mean--> [N,D] --+
 *
 * What happens when is lost in the means.  A missing modality is a zero vector.
 * With one modality this is the single-modality model.
 */
#ifndef TERN_MODELS_FUSION_CONCAT_H
#define TERN_MODELS_FUSION_CONCAT_H

#include "models/head.h"
#include "models/stream.h"

typedef struct tern_fusion_concat {
    tern_head head;
} tern_fusion_concat;

tern_fusion_concat tern_fusion_concat_declare(tern_ctx *ctx, const tern_model_config *config);
/* streams[TERN_STREAMS]; x is NULL for one that the model lacks. */
tern_tensor *tern_fusion_concat_forward(tern_ctx *ctx, const tern_fusion_concat *fusion,
                                        const tern_stream *streams);

#endif
