/* Fusion 3: cross-modal transformer, after MulT (Tsai et al. 2019, arXiv:1906.00295).
 *
 * Each stream as target looks at each other stream as source: six directional
 * encoders for three modalities, here for the target face:
 *
 *   face [N,Tf,D] --cross layers--> [N,Tf,D] --+
 *        ^ keys, values: audio [N,Ta,D]          +-> concat, linear [N,Tf,D]
 *   face [N,Tf,D] --cross layers--> [N,Tf,D] --+      |
 *        ^ keys, values: text [N,Tt,D]                v
 *                                        self-attention layer [N,Tf,D]
 *                                                     |
 *   face [N,Tf,D] --masked mean--> [N,D]   masked mean --> [N,D]
 *                        \_______________________ /
 *                          concat [N,2D]  --- the same for audio and text
 *
 *   concat of all targets [N,2*M*D] --> head --> logits
 *
 * Queries and keys carry time codes (layers/cross_modal.h): a word can ask what the
 * voice did at its moment.  A missing source adds nothing (attention over no key is
 * zero), a missing target is a zero vector.
 */
#ifndef TERN_MODELS_FUSION_CROSSMODAL_H
#define TERN_MODELS_FUSION_CROSSMODAL_H

#include "layers/cross_modal.h"
#include "layers/stack.h"
#include "layers/transformer.h"
#include "models/head.h"
#include "models/stream.h"

typedef struct tern_fusion_crossmodal {
    tern_cross_modal_layer cross[TERN_STREAMS][TERN_STREAMS][TERN_STACK_LAYERS];
    tern_linear_layer join[TERN_STREAMS];
    tern_transformer_layer self[TERN_STREAMS];
    tern_head head;
    int layers;
} tern_fusion_crossmodal;

void tern_fusion_crossmodal_declare(tern_ctx *ctx, const tern_model_config *config,
                                    tern_fusion_crossmodal *fusion);
tern_tensor *tern_fusion_crossmodal_forward(tern_ctx *ctx, const tern_fusion_crossmodal *fusion,
                                            const tern_stream *streams);

#endif
