#include "models/text_encoder.h"

/* A word starts ten times as large as its place: the sum of the layers, which mix the
 * words, must not drown which word stood where, or no other stream can learn to ask. */
static const tern_init WORD = { .kind = TERN_INIT_NORMAL, .scale = 1 };
static const tern_init PLACE = { .kind = TERN_INIT_NORMAL, .scale = 0.1 };

void tern_text_encoder_declare(tern_ctx *ctx, const tern_model_config *config,
                               tern_text_encoder *encoder)
{
    tern_transformer_opts layer = { .size = config->size, .heads = config->heads,
                                    .dropout = config->dropout };
    tern_scope_push(ctx, "text");
    encoder->embedding = tern_embedding_layer_declare(
        ctx, "embedding", config->vocabulary, config->size,
        (tern_embedding_layer_opts){ .has_padding = true, .init = WORD });
    encoder->position = tern_positional_encoding_declare(
        ctx, "position", config->size,
        (tern_positional_encoding_opts){ .learned = config->tokens, .dropout = config->dropout,
                                         .init = PLACE });
    tern_scope_pop(ctx);
    encoder->layers =
        tern_transformer_encoder_declare(ctx, "text", (int)config->text_layers, layer);
}

tern_stream tern_text_encoder_forward(tern_ctx *ctx, const tern_text_encoder *encoder,
                                      const tern_model_inputs *inputs)
{
    tern_scope_push(ctx, "text");
    tern_tensor *x = tern_embedding_layer_forward(ctx, &encoder->embedding, inputs->tokens);
    x = tern_positional_encoding_forward(ctx, &encoder->position, x);
    tern_scope_pop(ctx);
    x = tern_transformer_encoder_forward(ctx, &encoder->layers, x, inputs->token_mask, NULL);
    return (tern_stream){ x, inputs->token_mask, inputs->token_time };
}
