/* The default trimodal classifier, once for each fusion, as train/trainer.c trains it.
 *
 *   face [16,8,64,64,3] 8 frames   mel [16,301,64] log-mel of 3 s   tokens [16,32]
 *
 * of 10,000 words; its loss counts the auxiliary heads, and its gradient is clipped.
 */
#include "bench/workload/save.h"
#include "bench/workload/workload.h"
#include "models/classifier.h"
#include "train/options.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 16, FRAMES = 8, SIDE = 64, CHANNELS = 3, MEL_FRAMES = 301, MELS = 64, TOKENS = 32,
       FIRST_WORD = 3, VOCABULARY = 10000 };

typedef struct trimodal {
    tern_model_config config;
    tern_classifier *model;
    double auxiliary;
    uint8_t valid[ROWS * TOKENS]; /* all ones: the mask of faces and of tokens */
    int32_t mel_length[ROWS];
} trimodal;

static void declare(tern_ctx *ctx, trimodal *own, tern_fusion fusion, const bench_opts *opts)
{
    tern_error error = { 0 };
    tern_model_config *config = &own->config;
    *config = (tern_model_config){
        .streams = 1u << TERN_STREAM_FACE | 1u << TERN_STREAM_AUDIO | 1u << TERN_STREAM_TEXT,
        .fusion = fusion, .classes = BENCH_CLASSES,
        .dropout = opts->dropout > 0 ? opts->dropout : -1,
        .frames = FRAMES, .height = SIDE, .width = SIDE, .channels = CHANNELS, .mels = MELS,
        .tokens = TOKENS, .vocabulary = VOCABULARY,
    };
    for (int c = 0; c < BENCH_CLASSES; c++)
        snprintf(config->class_names[c], sizeof config->class_names[c], "class%d", c);
    own->auxiliary = tern_train_opts_default().auxiliary;
    memset(own->valid, 1, sizeof own->valid);
    for (int row = 0; row < ROWS; row++)
        own->mel_length[row] = MEL_FRAMES;
    if (tern_model_config_resolve(config, &error))
        own->model = tern_classifier_new(ctx, config);
    else
        tern_fail_with(ctx, &error);
}

static void declare_concat(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    declare(ctx, own, TERN_FUSION_CONCAT, opts);
}

static void declare_attention(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    declare(ctx, own, TERN_FUSION_ATTENTION, opts);
}

static void declare_crossmodal(tern_ctx *ctx, void *own, const bench_opts *opts)
{
    declare(ctx, own, TERN_FUSION_CROSSMODAL, opts);
}

static void close(void *own)
{
    tern_classifier_free(((trimodal *)own)->model);
}

static tern_model_inputs upload(tern_ctx *ctx, const trimodal *own, const bench_batch *batch,
                                const int32_t *label)
{
    return tern_model_inputs_upload(
        ctx, &own->config,
        &(tern_model_arrays){ .rows = batch->rows, .face = batch->inputs[0],
                              .face_mask = own->valid, .mel = batch->inputs[1],
                              .audio_length = own->mel_length, .mel_frames = MEL_FRAMES,
                              .tokens = batch->inputs[2], .token_mask = own->valid,
                              .label = label });
}

static tern_tensor *logits(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const trimodal *model = own;
    tern_model_inputs inputs = upload(ctx, model, batch, NULL);
    return tern_classifier_forward(ctx, model->model, &inputs, NULL);
}

static tern_tensor *loss(tern_ctx *ctx, const void *own, const bench_batch *batch)
{
    const trimodal *model = own;
    tern_model_inputs inputs = upload(ctx, model, batch, batch->label);
    return tern_classifier_loss(ctx, model->model, &inputs, NULL,
                                (tern_classifier_loss_opts){ .auxiliary = model->auxiliary },
                                NULL);
}

/* Every whole number of the configuration, and the weight of the auxiliary losses. */
static void describe(const void *own, tern_safetensors_writer *writer)
{
    const trimodal *model = own;
    json_t *config = tern_model_config_to_json(&model->config), *value;
    const char *key;
    json_object_foreach(config, key, value)
        if (json_is_integer(value))
            bench_save_number(writer, key, (double)json_integer_value(value));
    json_decref(config);
    bench_save_number(writer, "classes", BENCH_CLASSES);
    bench_save_number(writer, "auxiliary", model->auxiliary);
}

/* Pixels about -1 to 1, a spectrogram in decibels, any words. */
static const bench_input inputs[] = {
    { .name = "face", .dtype = TERN_F32, .rank = 5,
      .shape = { 0, FRAMES, SIDE, SIDE, CHANNELS }, .deviation = 0.5 },
    { .name = "mel", .dtype = TERN_F32, .rank = 3, .shape = { 0, MEL_FRAMES, MELS },
      .mean = -40, .deviation = 15 },
    { .name = "tokens", .dtype = TERN_I32, .rank = 2, .shape = { 0, TOKENS },
      .lowest = FIRST_WORD, .end = VOCABULARY },
    { 0 },
};

const bench_model bench_trimodal_concat = {
    .name = "trimodal-concat", .summary = "face, speech and text, side by side", .rows = ROWS,
    .clip = 1, .inputs = inputs, .bytes = sizeof(trimodal), .declare = declare_concat,
    .close = close, .logits = logits, .loss = loss, .describe = describe,
};

const bench_model bench_trimodal_attention = {
    .name = "trimodal-attention", .summary = "face, speech and text, weighed by attention",
    .rows = ROWS, .clip = 1, .inputs = inputs, .bytes = sizeof(trimodal),
    .declare = declare_attention, .close = close, .logits = logits, .loss = loss,
    .describe = describe,
};

const bench_model bench_trimodal_crossmodal = {
    .name = "trimodal-crossmodal", .summary = "face, speech and text through cross-modal layers",
    .rows = ROWS, .clip = 1, .inputs = inputs, .bytes = sizeof(trimodal),
    .declare = declare_crossmodal, .close = close, .logits = logits, .loss = loss,
    .describe = describe,
};
