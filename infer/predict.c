#include "infer/predict.h"

#include "train/evaluate.h"
#include "train/feed.h"

#include <string.h>

static bool fits_model(const tern_model_config *config, const tern_sample_files *sample,
                       tern_error *error)
{
    const char *const given[TERN_STREAMS] = { sample->face, sample->audio, sample->text };
    int count = 0;
    for (int s = 0; s < TERN_STREAMS; s++) {
        if (given[s] && !tern_model_has(config, s))
            return tern_error_set(error, TERN_ERR_ARGUMENT, "this run's model has no %s",
                                  tern_stream_names[s]);
        if (given[s] && !given[s][strspn(given[s], " \t\r\n")])
            return tern_error_set(error, TERN_ERR_ARGUMENT,
                                  "the %s is given, but empty: leave it out if there is none",
                                  tern_stream_names[s]);
        count += given[s] != NULL;
    }
    return count || tern_error_set(error, TERN_ERR_ARGUMENT,
                                   "nothing to predict from: give a face, a sound or a text");
}

/* The sample as a data set of one clip. */
static tern_clips *one_clip(const tern_model_config *config, const tern_sample_files *sample,
                            tern_error *error)
{
    const char *names[TERN_MAX_CLASSES];
    const tern_clip clip = { .id = "sample", .split = TERN_TEST, .face = sample->face,
                             .audio = sample->audio, .text = sample->text };
    for (int64_t c = 0; c < config->classes; c++)
        names[c] = config->class_names[c];
    tern_clips *clips = tern_clips_new(error);
    if (clips && tern_clips_set_classes(clips, names, (int)config->classes, error) &&
        tern_clips_append(clips, &clip, error))
        return clips;
    tern_clips_free(clips);
    return NULL;
}

bool tern_predict_sample(tern_loaded_run *run, const tern_sample_files *sample,
                         double *probability, tern_error *error)
{
    const tern_model_config *config = &run->config.model;
    const char *const given[TERN_STREAMS] = { sample->face, sample->audio, sample->text };
    tern_loader_opts opts = tern_feed_loader_opts(config);
    tern_predictions predictions;
    if (!fits_model(config, sample, error))
        return false;
    tern_clips *clips = one_clip(config, sample, error);
    opts.split = TERN_TEST;
    opts.batch = 1;
    opts.workers = 1;
    opts.cache_bytes = -1;
    /* The loader refuses a modality that no clip has; the model then sees it masked. */
    for (int s = 0; s < TERN_STREAMS; s++)
        if (!given[s])
            opts.modalities &= ~(1u << s);
    tern_loader *loader = clips ? tern_loader_new(clips, run->vocabulary, opts, error) : NULL;
    bool ok = loader && tern_predict_split(run->ctx, run->model, loader, &predictions, error);
    if (ok) {
        memcpy(probability, predictions.probability,
               (size_t)config->classes * sizeof *probability);
        tern_predictions_free(&predictions);
    }
    tern_loader_free(loader);
    tern_clips_free(clips);
    return ok;
}
