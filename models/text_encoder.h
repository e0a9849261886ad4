/* Text transformer.
 *
 *   tokens [N,L], the first is [CLS]
 *     -> embedding + learned position      [N, L, D]
 *     -> transformer layer, pre-norm, x n  [N, L, D]
 *     -> layer norm                        [N, L, D]
 *
 * D = 128, n = 2: 0.03 GFLOP for 32 tokens.
 */
#ifndef TERN_MODELS_TEXT_ENCODER_H
#define TERN_MODELS_TEXT_ENCODER_H

#include "layers/embedding.h"
#include "layers/positional_encoding.h"
#include "layers/transformer.h"
#include "models/inputs.h"
#include "models/stream.h"

typedef struct tern_text_encoder {
    tern_embedding_layer embedding;
    tern_positional_encoding position;
    tern_transformer_encoder layers;
} tern_text_encoder;

void tern_text_encoder_declare(tern_ctx *ctx, const tern_model_config *config,
                               tern_text_encoder *encoder);
tern_stream tern_text_encoder_forward(tern_ctx *ctx, const tern_text_encoder *encoder,
                                      const tern_model_inputs *inputs);

#endif
