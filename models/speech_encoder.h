/* Speech encoder: log-mel spectrogram, CNN, bidirectional LSTM.
 *
 *   audio [N,S] 16 kHz -> log-mel, dB          [N, T, 64]        T = 301 for 3 s
 *     -> batch norm of each mel band           [N, T, 64, 1]
 *     -> block0 conv 3x3 /2, w, pool 2x2       [N, T/4, 16, w]
 *     -> block1 conv 3x3, 2w, pool 2x2         [N, T/8, 8, 2w]
 *     -> block2 conv 3x3, 4w, pool 1x2         [N, T/8, 4, 4w]
 *     -> block3 conv 3x3, 8w, pool 1x2         [N, T/8, 2, 8w]
 *     -> mean over frequency                   [N, T/8, 8w]
 *     -> BiLSTM, D/2 each way                  [N, T/8, D]       a step is 80 ms
 *
 * each convolution with batch norm and ReLU; frames behind the end of a clip do
 * not count in any statistics and are zero.  w = 16: 0.06 GFLOP for 3 s.
 */
#ifndef TERN_MODELS_SPEECH_ENCODER_H
#define TERN_MODELS_SPEECH_ENCODER_H

#include "layers/conv_block.h"
#include "layers/recurrent.h"
#include "models/inputs.h"
#include "models/stream.h"

typedef struct tern_speech_encoder {
    tern_batch_norm_layer input_norm;
    tern_conv_block block[TERN_SPEECH_BLOCKS];
    tern_recurrent_layer lstm;
    int64_t rate, mels;
    double dropout;
} tern_speech_encoder;

tern_speech_encoder tern_speech_encoder_declare(tern_ctx *ctx, const tern_model_config *config);
tern_stream tern_speech_encoder_forward(tern_ctx *ctx, const tern_speech_encoder *encoder,
                                        const tern_model_inputs *inputs);

/* Convolution and pooling of block i; its channels are audio_width << i. */
tern_conv_block_opts tern_speech_block_opts(int i);
/* Frames of the log-mel spectrogram of so many samples. */
int64_t tern_speech_frames(int64_t samples);

#endif
