#include "models/classifier.h"

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/elementwise/binary.h"
#include "kernels/losses/focal.h"
#include "kernels/masked_mean/masked_mean.h"
#include "layers/modality_dropout.h"
#include "models/face_encoder.h"
#include "models/fusion_attention.h"
#include "models/fusion_concat.h"
#include "models/fusion_crossmodal.h"
#include "models/speech_encoder.h"
#include "models/text_encoder.h"

#include <stdlib.h>

struct tern_classifier {
    tern_model_config config;
    tern_face_encoder face;
    tern_speech_encoder audio;
    tern_text_encoder text;
    tern_fusion_concat concat;
    tern_fusion_attention attention;
    tern_fusion_crossmodal crossmodal;
    tern_head auxiliary[TERN_STREAMS];
};

tern_classifier *tern_classifier_new(tern_ctx *ctx, const tern_model_config *config)
{
    tern_classifier *model = calloc(1, sizeof *model);
    if (!model) {
        tern_fail(ctx, TERN_ERR_MEMORY, "no memory for a classifier");
        return NULL;
    }
    model->config = *config;
    if (tern_model_has(config, TERN_STREAM_FACE))
        model->face = tern_face_encoder_declare(ctx, config);
    if (tern_model_has(config, TERN_STREAM_AUDIO))
        model->audio = tern_speech_encoder_declare(ctx, config);
    if (tern_model_has(config, TERN_STREAM_TEXT))
        tern_text_encoder_declare(ctx, config, &model->text);
    switch (config->fusion) {
    case TERN_FUSION_ATTENTION:
        tern_fusion_attention_declare(ctx, config, &model->attention);
        break;
    case TERN_FUSION_CROSSMODAL:
        tern_fusion_crossmodal_declare(ctx, config, &model->crossmodal);
        break;
    default: model->concat = tern_fusion_concat_declare(ctx, config); break;
    }
    tern_scope_push(ctx, "auxiliary");
    for (int s = 0; s < TERN_STREAMS; s++)
        if (tern_model_has(config, s) && tern_model_stream_count(config) > 1)
            model->auxiliary[s] = tern_head_declare(ctx, tern_stream_names[s], config->size, config);
    tern_scope_pop(ctx);
    return model;
}

void tern_classifier_free(tern_classifier *model)
{
    free(model);
}

const tern_model_config *tern_classifier_config(const tern_classifier *model)
{
    return &model->config;
}

static void encode(tern_ctx *ctx, const tern_classifier *model, const tern_model_inputs *inputs,
                   tern_stream *streams)
{
    const tern_model_config *config = &model->config;
    if (tern_model_has(config, TERN_STREAM_FACE))
        streams[TERN_STREAM_FACE] = tern_face_encoder_forward(ctx, &model->face, inputs);
    if (tern_model_has(config, TERN_STREAM_AUDIO))
        streams[TERN_STREAM_AUDIO] = tern_speech_encoder_forward(ctx, &model->audio, inputs);
    if (tern_model_has(config, TERN_STREAM_TEXT))
        streams[TERN_STREAM_TEXT] = tern_text_encoder_forward(ctx, &model->text, inputs);
}

static void auxiliary_logits(tern_ctx *ctx, const tern_classifier *model,
                             const tern_stream *streams, tern_tensor **auxiliary)
{
    tern_scope_push(ctx, "auxiliary");
    for (int s = 0; s < TERN_STREAMS; s++) {
        auxiliary[s] = NULL;
        if (!streams[s].x || !model->auxiliary[s].hidden.weight)
            continue;
        tern_scope_push(ctx, "%s", tern_stream_names[s]);
        tern_tensor *pooled = tern_masked_mean(ctx, streams[s].x, streams[s].mask);
        auxiliary[s] = tern_head_forward(ctx, &model->auxiliary[s], pooled);
        tern_scope_pop(ctx);
    }
    tern_scope_pop(ctx);
}

/* The streams with their masks cleared where modality dropout hides them. */
static void hide_modalities(tern_ctx *ctx, tern_stream *streams, double p)
{
    tern_tensor *masks[TERN_STREAMS];
    int count = 0;
    for (int s = 0; s < TERN_STREAMS; s++)
        if (streams[s].x)
            masks[count++] = streams[s].mask;
    tern_modalities left = tern_drop_modalities(ctx, masks, count, p);
    count = 0;
    for (int s = 0; s < TERN_STREAMS; s++)
        if (streams[s].x)
            streams[s].mask = left.mask[count++];
}

/* Logits of the fusion, which may be denied some modalities with chance p, and of the
 * encoders' own heads, which see what there is. */
static tern_tensor *run(tern_ctx *ctx, const tern_classifier *model,
                        const tern_model_inputs *inputs, double p, tern_tensor **auxiliary)
{
    tern_stream streams[TERN_STREAMS] = { { NULL, NULL, NULL } };
    tern_tensor *logits;
    if (!tern_ok(ctx))
        return tern_nil(ctx);
    encode(ctx, model, inputs, streams);
    if (!tern_ok(ctx))
        return tern_nil(ctx);
    if (auxiliary)
        auxiliary_logits(ctx, model, streams, auxiliary);
    if (p > 0 && tern_is_training(ctx))
        hide_modalities(ctx, streams, p);
    switch (model->config.fusion) {
    case TERN_FUSION_ATTENTION:
        logits = tern_fusion_attention_forward(ctx, &model->attention, streams);
        break;
    case TERN_FUSION_CROSSMODAL:
        logits = tern_fusion_crossmodal_forward(ctx, &model->crossmodal, streams);
        break;
    default: logits = tern_fusion_concat_forward(ctx, &model->concat, streams); break;
    }
    return logits;
}

tern_tensor *tern_classifier_forward(tern_ctx *ctx, const tern_classifier *model,
                                     const tern_model_inputs *inputs, tern_tensor **auxiliary)
{
    return run(ctx, model, inputs, 0, auxiliary);
}

static tern_tensor *loss_of(tern_ctx *ctx, tern_tensor *logits, const tern_model_inputs *inputs,
                            tern_tensor *class_weight, const tern_classifier_loss_opts *opts)
{
    if (opts->focal_gamma > 0)
        return tern_focal(ctx, logits, inputs->label, class_weight, inputs->row_weight,
                          (tern_focal_opts){ .gamma = opts->focal_gamma });
    return tern_cross_entropy(ctx, logits, inputs->label, class_weight, inputs->row_weight,
                              (tern_cross_entropy_opts){ .label_smoothing = opts->label_smoothing });
}

tern_tensor *tern_classifier_loss(tern_ctx *ctx, const tern_classifier *model,
                                  const tern_model_inputs *inputs, tern_tensor *class_weight,
                                  tern_classifier_loss_opts opts, tern_tensor **logits)
{
    tern_tensor *auxiliary[TERN_STREAMS] = { NULL };
    tern_tensor *fused = run(ctx, model, inputs, opts.modality_dropout,
                             opts.auxiliary > 0 ? auxiliary : NULL);
    tern_tensor *loss = loss_of(ctx, fused, inputs, class_weight, &opts);
    for (int s = 0; s < TERN_STREAMS; s++) {
        if (!auxiliary[s])
            continue;
        tern_tensor *own = loss_of(ctx, auxiliary[s], inputs, class_weight, &opts);
        loss = tern_add(ctx, loss,
                        tern_mul(ctx, own, tern_full(ctx, 0, NULL, opts.auxiliary)));
    }
    if (logits)
        *logits = fused;
    return loss;
}
