#include "models/text_encoder.h"

#include "core/params.h"
#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/dropout.h"
#include "kernels/embedding/embedding.h"

static const char *const layer_names[TERN_TEXT_MAX_LAYERS] = {
    "layers.0",  "layers.1",  "layers.2",  "layers.3",  "layers.4",  "layers.5",
    "layers.6",  "layers.7",  "layers.8",  "layers.9",  "layers.10", "layers.11",
    "layers.12", "layers.13", "layers.14", "layers.15", "layers.16", "layers.17",
    "layers.18", "layers.19", "layers.20", "layers.21", "layers.22", "layers.23",
};

void tern_text_encoder_declare(tern_ctx *ctx, const tern_model_config *config,
                               tern_text_encoder *encoder)
{
    /* A word starts ten times as large as its place: the sum of the layers, which mix the
     * words, must not drown which word stood where, or no other stream can learn to ask. */
    tern_param_opts word = { .init = { TERN_INIT_NORMAL, 1 }, .no_decay = true };
    tern_param_opts place = { .init = { TERN_INIT_NORMAL, 0.1 }, .no_decay = true };
    *encoder = (tern_text_encoder){ .layers = (int)config->text_layers,
                                    .dropout = config->dropout };
    tern_scope_push(ctx, "text");
    encoder->embedding = tern_param(ctx, "embedding.weight", 2,
                                    (int64_t[]){ config->vocabulary, config->size }, word);
    encoder->position = tern_param(ctx, "position.weight", 2,
                                   (int64_t[]){ config->tokens, config->size }, place);
    for (int i = 0; i < encoder->layers; i++)
        encoder->layer[i] = tern_transformer_layer_declare(
            ctx, layer_names[i],
            (tern_transformer_opts){ .size = config->size, .heads = config->heads,
                                     .dropout = config->dropout });
    encoder->norm = tern_layer_norm_layer_declare(ctx, "norm", config->size);
    tern_scope_pop(ctx);
}

tern_stream tern_text_encoder_forward(tern_ctx *ctx, const tern_text_encoder *encoder,
                                      const tern_model_inputs *inputs)
{
    tern_scope_push(ctx, "text");
    tern_tensor *x = tern_embedding(ctx, encoder->embedding, inputs->tokens,
                                    (tern_embedding_opts){ .has_padding = true });
    x = tern_add(ctx, x, encoder->position);
    if (encoder->dropout > 0 && tern_is_training(ctx))
        x = tern_dropout(ctx, x, (tern_dropout_opts){ .p = encoder->dropout });
    for (int i = 0; i < encoder->layers; i++)
        x = tern_transformer_layer_forward(ctx, &encoder->layer[i], x, inputs->token_mask);
    x = tern_layer_norm_layer_forward(ctx, &encoder->norm, x);
    tern_scope_pop(ctx);
    return (tern_stream){ x, inputs->token_mask, inputs->token_time };
}
