#include "models/speech_encoder.h"

#include "kernels/log_mel/log_mel.h"
#include "kernels/pool/pool.h"
#include "kernels/shape/reshape.h"
#include "layers/dropout.h"

enum { HOP = 160 }; /* samples, 10 ms at 16 kHz */

tern_conv_block_opts tern_speech_block_opts(int i)
{
    return (tern_conv_block_opts){ .kernel = 3, .stride = i == 0 ? 2 : 1,
                                   .pool = { i < 2 ? 2 : 1, 2 } };
}

int64_t tern_speech_frames(int64_t samples)
{
    return tern_log_mel_frames(samples, HOP);
}

tern_speech_encoder tern_speech_encoder_declare(tern_ctx *ctx, const tern_model_config *config)
{
    int64_t inputs = 1;
    tern_speech_encoder encoder = { .rate = config->rate, .mels = config->mels,
                                    .dropout = config->dropout };
    static const char *const names[TERN_SPEECH_BLOCKS] = { "block0", "block1", "block2", "block3" };
    tern_scope_push(ctx, "audio");
    encoder.input_norm = tern_batch_norm_layer_declare(ctx, "input_norm", config->mels,
                                                       (tern_batch_norm_opts){ 0 });
    for (int i = 0; i < TERN_SPEECH_BLOCKS; i++) {
        encoder.block[i] = tern_conv_block_declare(ctx, names[i], inputs, config->audio_width << i,
                                                   tern_speech_block_opts(i));
        inputs = config->audio_width << i;
    }
    encoder.lstm = tern_recurrent_layer_declare(ctx, "lstm", inputs, config->size / 2,
                                                (tern_recurrent_opts){ 0 });
    tern_scope_pop(ctx);
    return encoder;
}

tern_stream tern_speech_encoder_forward(tern_ctx *ctx, const tern_speech_encoder *encoder,
                                        const tern_model_inputs *inputs)
{
    tern_tensor *x = inputs->mel, *mask = inputs->mel_mask;
    tern_scope_push(ctx, "audio");
    if (!x)
        x = tern_log_mel(ctx, inputs->audio, inputs->audio_length, &mask,
                         (tern_log_mel_opts){ .sample_rate = encoder->rate, .hop = HOP,
                                              .mels = encoder->mels });
    x = tern_batch_norm_layer_forward(ctx, &encoder->input_norm, x, mask);
    x = tern_reshape(ctx, x, (tern_reshape_opts){ .shape = { 0, 0, 0, 1 } });
    for (int i = 0; i < TERN_SPEECH_BLOCKS; i++)
        x = tern_conv_block_forward(ctx, &encoder->block[i], x, inputs->conv_mask[i]);
    int64_t bands = x->rank == 4 ? x->shape[2] : 1;
    x = tern_avg_pool2d(ctx, x, (tern_avg_pool2d_opts){ .window = { 1, bands } });
    x = tern_reshape(ctx, x, (tern_reshape_opts){ .shape = { 0, 0, -1 } });
    x = tern_drop(ctx, x, encoder->dropout);
    x = tern_recurrent_layer_forward(ctx, &encoder->lstm, x, inputs->step_length);
    tern_scope_pop(ctx);
    return (tern_stream){ x, inputs->step_mask, inputs->step_time };
}
