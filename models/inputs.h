/* A batch as the models want it: host arrays become tensors, masks and lengths at
 * every resolution of the encoders, and time codes where the fusion asks for them.
 */
#ifndef TERN_MODELS_INPUTS_H
#define TERN_MODELS_INPUTS_H

#include "core/context.h"
#include "models/config.h"

/* Host arrays; those of a stream that the model lacks are ignored.  A stream that
 * the model has but whose arrays are NULL is missing in every row. */
typedef struct tern_model_arrays {
    int64_t rows;                  /* N                                            */
    const float *face;             /* [N,frames,height,width,channels], about -1..1 */
    const uint8_t *face_mask;      /* [N,frames]                                   */
    const float *audio;            /* [N,samples]                                  */
    const int32_t *audio_length;   /* [N] samples, 0 = missing                     */
    const float *mel;              /* [N,T,mels]: instead of audio, for tests; then
                                      audio_length counts frames                   */
    int64_t mel_frames;            /* T of mel                                     */
    const int32_t *tokens;         /* [N,tokens]                                   */
    const uint8_t *token_mask;     /* [N,tokens]                                   */
    const int32_t *label;          /* [N] or NULL                                  */
    const float *row_weight;       /* [N] or NULL                                  */
    const uint8_t *has[TERN_STREAMS]; /* [N] each or NULL: 0 hides the modality    */
} tern_model_arrays;

enum { TERN_SPEECH_BLOCKS = 4 };

typedef struct tern_model_inputs {
    tern_tensor *face, *face_mask, *face_time;
    tern_tensor *audio, *audio_length, *mel, *mel_mask;
    tern_tensor *conv_mask[TERN_SPEECH_BLOCKS]; /* [N,T_i], at each convolution's output */
    tern_tensor *step_length, *step_mask, *step_time; /* after the last pooling          */
    tern_tensor *tokens, *token_mask, *token_time;
    tern_tensor *label, *row_weight;
} tern_model_inputs;

/* Errors are in the context. */
tern_model_inputs tern_model_inputs_upload(tern_ctx *ctx, const tern_model_config *config,
                                           const tern_model_arrays *arrays);

#endif
