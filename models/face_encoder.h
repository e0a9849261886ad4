/* Face CNN: each frame by itself, then a sequence of frames.
 *
 *   face [N,F,H,W,C]
 *     -> frames side by side             [N*F, H, W, C]
 *     -> stem   conv 3x3 /stride, w      [N*F, H/2, W/2, w]
 *     -> block1 conv 3x3, 2w, pool 2     [N*F, H/4, W/4, 2w]
 *     -> block2 conv 3x3, 4w, pool 2     [N*F, H/8, W/8, 4w]
 *     -> block3 conv 3x3, 8w, pool 2     [N*F, H/16, W/16, 8w]
 *     -> block4 conv 3x3, 16w            [N*F, H/16, W/16, 16w]
 *     -> global average pooling          [N*F, 16w]
 *     -> linear, ReLU                    [N, F, D]
 *
 * each convolution with batch norm and ReLU; missing frames do not count in the
 * batch statistics.  A feature of the last block sees 46 x 46 pixels (twice that
 * with stride 2): most of a face.  w = 8: 0.08 GFLOP for 8 frames of 64x64.
 */
#ifndef TERN_MODELS_FACE_ENCODER_H
#define TERN_MODELS_FACE_ENCODER_H

#include "layers/conv_block.h"
#include "layers/linear.h"
#include "models/inputs.h"
#include "models/stream.h"

enum { TERN_FACE_BLOCKS = 5 };

typedef struct tern_face_encoder {
    tern_conv_block block[TERN_FACE_BLOCKS];
    tern_linear_layer project;
    double dropout;
} tern_face_encoder;

tern_face_encoder tern_face_encoder_declare(tern_ctx *ctx, const tern_model_config *config);
tern_stream tern_face_encoder_forward(tern_ctx *ctx, const tern_face_encoder *encoder,
                                      const tern_model_inputs *inputs);

#endif
