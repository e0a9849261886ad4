/* From host arrays to the tensors that the encoders read; see inputs.h. */
#include "models/inputs.h"

#include "models/speech_encoder.h"
#include "models/stream.h"

#include <stdlib.h>
#include <string.h>

/* Is row n's modality there? */
static bool shown(const tern_model_arrays *arrays, int stream, int64_t n)
{
    return !arrays->has[stream] || arrays->has[stream][n];
}

/* Zeros in place of an array that was not given; *owned must be freed. */
static const void *or_zeros(tern_ctx *ctx, const void *given, int64_t count, size_t size,
                            void **owned)
{
    *owned = NULL;
    if (given)
        return given;
    *owned = calloc((size_t)count + 1, size);
    if (!*owned)
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a missing modality");
    return *owned;
}

/* The mask of rows with `lengths` valid steps out of T. */
static tern_tensor *length_mask(tern_ctx *ctx, const char *name, int64_t rows, int64_t steps,
                                const int32_t *lengths)
{
    uint8_t *mask = tern_step_scratch(ctx, (size_t)(rows * steps));
    if (!mask)
        return tern_nil(ctx);
    for (int64_t n = 0; n < rows; n++)
        memset(mask + n * steps, 1, (size_t)(lengths[n] < steps ? lengths[n] : steps));
    return tern_input(ctx, name, TERN_U8, 2, (int64_t[]){ rows, steps }, mask);
}

/* A mask of which the rows without the modality are cleared. */
static tern_tensor *hidden_mask(tern_ctx *ctx, const char *name, const tern_model_arrays *arrays,
                                int stream, int64_t steps, const uint8_t *mask)
{
    uint8_t *copy = tern_step_scratch(ctx, (size_t)(arrays->rows * steps));
    if (!copy)
        return tern_nil(ctx);
    for (int64_t n = 0; n < arrays->rows; n++)
        if (shown(arrays, stream, n))
            memcpy(copy + n * steps, mask + n * steps, (size_t)steps);
    return tern_input(ctx, name, TERN_U8, 2, (int64_t[]){ arrays->rows, steps }, copy);
}

/* The row before n whose codes are those of n, or n itself. */
static int64_t same_length(const int32_t *lengths, int64_t n)
{
    for (int64_t before = 0; before < n; before++)
        if (lengths[before] == lengths[n])
            return before;
    return n;
}

/* The time codes of rows with `lengths` steps, `skip` of which come before the clip begins
 * (the [CLS] of a sentence).  Only the cross-modal fusion asks for them. */
static tern_tensor *time_codes(tern_ctx *ctx, const tern_model_config *config, const char *name,
                               int64_t rows, int64_t steps, const int32_t *lengths, int skip)
{
    int64_t size = config->size;
    if (config->fusion != TERN_FUSION_CROSSMODAL)
        return NULL;
    float *codes = tern_step_scratch(ctx, (size_t)(rows * steps * size) * sizeof *codes);
    if (!codes)
        return tern_nil(ctx);
    for (int64_t n = 0; n < rows; n++) {
        int64_t same = same_length(lengths, n);
        float *row = codes + n * steps * size;
        if (same < n)
            memcpy(row, codes + same * steps * size, (size_t)(steps * size) * sizeof *row);
        else if (lengths[n] > skip)
            tern_time_codes(lengths[n] - skip, steps - skip, size, row + skip * size);
    }
    return tern_input(ctx, name, TERN_F32, 3, (int64_t[]){ rows, steps, size }, codes);
}

/* One past the last valid step of each row. */
static void mask_lengths(const uint8_t *mask, int64_t rows, int64_t steps, int32_t *lengths)
{
    for (int64_t n = 0; n < rows; n++) {
        lengths[n] = 0;
        for (int64_t t = 0; t < steps; t++)
            if (mask[n * steps + t])
                lengths[n] = (int32_t)t + 1;
    }
}

static void upload_face(tern_ctx *ctx, const tern_model_config *config,
                        const tern_model_arrays *arrays, int32_t *lengths, tern_model_inputs *inputs)
{
    int64_t rows = arrays->rows, steps = config->frames;
    int64_t shape[] = { rows, steps, config->height, config->width, config->channels };
    void *pixels, *no_mask;
    const float *face = or_zeros(ctx, arrays->face, rows * steps * config->height *
                                 config->width * config->channels, sizeof *face, &pixels);
    const uint8_t *mask = or_zeros(ctx, arrays->face_mask, rows * steps, 1, &no_mask);
    if (face && mask) {
        inputs->face = tern_input(ctx, "face", TERN_F32, 5, shape, face);
        inputs->face_mask = hidden_mask(ctx, "face_mask", arrays, TERN_STREAM_FACE, steps, mask);
        mask_lengths(mask, rows, steps, lengths);
    }
    free(pixels);
    free(no_mask);
    inputs->face_time = time_codes(ctx, config, "face_time", rows, steps, lengths, 0);
}

static void upload_text(tern_ctx *ctx, const tern_model_config *config,
                        const tern_model_arrays *arrays, int32_t *lengths, tern_model_inputs *inputs)
{
    int64_t rows = arrays->rows, steps = config->tokens;
    void *no_tokens, *no_mask;
    const int32_t *tokens = or_zeros(ctx, arrays->tokens, rows * steps, sizeof *tokens, &no_tokens);
    const uint8_t *mask = or_zeros(ctx, arrays->token_mask, rows * steps, 1, &no_mask);
    if (tokens && mask) {
        inputs->tokens = tern_input(ctx, "tokens", TERN_I32, 2, (int64_t[]){ rows, steps }, tokens);
        inputs->token_mask = hidden_mask(ctx, "token_mask", arrays, TERN_STREAM_TEXT, steps, mask);
        mask_lengths(mask, rows, steps, lengths);
    }
    free(no_tokens);
    free(no_mask);
    inputs->token_time = time_codes(ctx, config, "token_time", rows, steps, lengths, 1);
}

/* lengths begins as frames of the spectrogram and shrinks block by block. */
static void upload_masks_of_blocks(tern_ctx *ctx, const tern_model_config *config, int64_t rows,
                                   int64_t steps, int32_t *lengths, tern_model_inputs *inputs)
{
    for (int i = 0; i < TERN_SPEECH_BLOCKS; i++) {
        tern_conv_block_opts opts = tern_speech_block_opts(i);
        steps = tern_conv_block_conv_size(&opts, steps);
        for (int64_t n = 0; n < rows; n++)
            lengths[n] = (int32_t)tern_conv_block_conv_size(&opts, lengths[n]);
        inputs->conv_mask[i] = length_mask(ctx, "conv_mask", rows, steps, lengths);
        steps = tern_conv_block_pool_size(&opts, 0, steps);
        for (int64_t n = 0; n < rows; n++)
            lengths[n] = (int32_t)tern_conv_block_pool_size(&opts, 0, lengths[n]);
    }
    inputs->step_length = tern_input(ctx, "step_length", TERN_I32, 1, &rows, lengths);
    inputs->step_mask = length_mask(ctx, "step_mask", rows, steps, lengths);
    inputs->step_time = time_codes(ctx, config, "step_time", rows, steps, lengths, 0);
}

static void upload_audio(tern_ctx *ctx, const tern_model_config *config,
                         const tern_model_arrays *arrays, int32_t *lengths,
                         tern_model_inputs *inputs)
{
    int64_t rows = arrays->rows, samples = tern_model_samples(config);
    for (int64_t n = 0; n < rows; n++)
        lengths[n] = arrays->audio_length && shown(arrays, TERN_STREAM_AUDIO, n)
                         ? arrays->audio_length[n] : 0;
    if (arrays->mel) {
        int64_t shape[] = { rows, arrays->mel_frames, config->mels };
        inputs->mel = tern_input(ctx, "mel", TERN_F32, 3, shape, arrays->mel);
        inputs->mel_mask = length_mask(ctx, "mel_mask", rows, arrays->mel_frames, lengths);
        upload_masks_of_blocks(ctx, config, rows, arrays->mel_frames, lengths, inputs);
        return;
    }
    void *silence;
    const float *audio = or_zeros(ctx, arrays->audio, rows * samples, sizeof *audio, &silence);
    inputs->audio = tern_input(ctx, "audio", TERN_F32, 2, (int64_t[]){ rows, samples }, audio);
    free(silence);
    inputs->audio_length = tern_input(ctx, "audio_length", TERN_I32, 1, &rows, lengths);
    for (int64_t n = 0; n < rows; n++)
        lengths[n] = (int32_t)tern_speech_frames(lengths[n]);
    upload_masks_of_blocks(ctx, config, rows, tern_speech_frames(samples), lengths, inputs);
}

tern_model_inputs tern_model_inputs_upload(tern_ctx *ctx, const tern_model_config *config,
                                           const tern_model_arrays *arrays)
{
    typedef void upload_stream(tern_ctx *, const tern_model_config *, const tern_model_arrays *,
                               int32_t *lengths, tern_model_inputs *);
    static upload_stream *const upload[TERN_STREAMS] = {
        [TERN_STREAM_FACE] = upload_face,
        [TERN_STREAM_AUDIO] = upload_audio,
        [TERN_STREAM_TEXT] = upload_text,
    };
    tern_model_inputs inputs = { 0 };
    int32_t *lengths = tern_step_scratch(ctx, (size_t)arrays->rows * sizeof *lengths);
    if (!lengths)
        return inputs;
    for (int s = 0; s < TERN_STREAMS; s++)
        if (tern_model_has(config, s))
            upload[s](ctx, config, arrays, lengths, &inputs);
    if (arrays->label)
        inputs.label = tern_input(ctx, "label", TERN_I32, 1, &arrays->rows, arrays->label);
    if (arrays->row_weight)
        inputs.row_weight = tern_input(ctx, "row_weight", TERN_F32, 1, &arrays->rows,
                                       arrays->row_weight);
    return inputs;
}
