#include "models/face_encoder.h"

#include "kernels/pool/pool.h"
#include "kernels/shape/reshape.h"
#include "layers/dropout.h"

tern_face_encoder tern_face_encoder_declare(tern_ctx *ctx, const tern_model_config *config)
{
    int64_t width = config->face_width, inputs = config->channels;
    static const char *const names[TERN_FACE_BLOCKS] = { "stem", "block1", "block2", "block3",
                                                         "block4" };
    tern_face_encoder encoder = { .dropout = config->dropout };
    tern_scope_push(ctx, "face");
    for (int i = 0; i < TERN_FACE_BLOCKS; i++) {
        bool pooled = i >= 1 && i <= 3;
        tern_conv_block_opts opts = { .stride = i == 0 ? config->face_stride : 1 };
        opts.pool[0] = opts.pool[1] = pooled ? 2 : 1;
        encoder.block[i] = tern_conv_block_declare(ctx, names[i], inputs, width << i, opts);
        inputs = width << i;
    }
    encoder.project = tern_linear_layer_declare(
        ctx, "project", inputs, config->size,
        (tern_linear_layer_opts){ .activation = TERN_ACT_RELU });
    tern_scope_pop(ctx);
    return encoder;
}

tern_stream tern_face_encoder_forward(tern_ctx *ctx, const tern_face_encoder *encoder,
                                      const tern_model_inputs *inputs)
{
    tern_tensor *face = inputs->face;
    tern_scope_push(ctx, "face");
    int64_t frames = face->shape[0] * face->shape[1];
    tern_tensor *x = tern_reshape(ctx, face, (tern_reshape_opts){
        .shape = { frames, face->shape[2], face->shape[3], face->shape[4] } });
    tern_tensor *mask = tern_reshape(ctx, inputs->face_mask,
                                     (tern_reshape_opts){ .shape = { frames } });
    for (int i = 0; i < TERN_FACE_BLOCKS; i++)
        x = tern_conv_block_forward(ctx, &encoder->block[i], x, mask);
    x = tern_global_avg_pool(ctx, x);
    x = tern_drop(ctx, x, encoder->dropout);
    x = tern_linear_layer_forward(ctx, &encoder->project, x);
    x = tern_reshape(ctx, x, (tern_reshape_opts){
        .shape = { face->shape[0], face->shape[1], -1 } });
    tern_scope_pop(ctx);
    return (tern_stream){ x, inputs->face_mask, inputs->face_time };
}
