#include "train/feed.h"

tern_model_arrays tern_feed_arrays(const tern_batch *batch)
{
    return (tern_model_arrays){
        .rows = batch->shape.rows,
        .face = batch->face,
        .face_mask = batch->face_mask,
        .audio = batch->audio,
        .audio_length = batch->audio_length,
        .tokens = batch->tokens,
        .token_mask = batch->token_mask,
        .label = batch->label,
        .row_weight = batch->row_weight,
        .has = { batch->has[TERN_FACE], batch->has[TERN_AUDIO], batch->has[TERN_TEXT] },
    };
}

const tern_batch *tern_feed_next(tern_loader *loader, const tern_observer *observer,
                                 tern_error *error)
{
    tern_span_begin(observer, "wait for data");
    const tern_batch *batch = tern_loader_next(loader, error);
    tern_span_end(observer);
    return batch;
}

tern_loader_opts tern_feed_loader_opts(const tern_model_config *config)
{
    return (tern_loader_opts){
        .modalities = config->streams, /* the same bits: face, audio, text */
        .frames = (int)config->frames,
        .height = (int)config->height,
        .width = (int)config->width,
        .channels = (int)config->channels,
        .seconds = config->seconds,
        .rate = (int)config->rate,
        .tokens = (int)config->tokens,
    };
}

static double probability(double p)
{
    return p < 1 ? p : 1;
}

tern_augment tern_feed_augment(double strength)
{
    tern_augment augment = tern_augment_standard();
    augment.shift *= strength;
    augment.rotate *= strength;
    augment.zoom *= strength;
    augment.brightness *= strength;
    augment.contrast *= strength;
    augment.erase = probability(augment.erase * strength);
    augment.gain_db *= strength;
    augment.speed *= strength;
    augment.noise = probability(augment.noise * strength);
    augment.time_shift *= strength;
    augment.word_drop = probability(augment.word_drop * strength);
    return augment;
}
