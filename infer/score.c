#include "infer/score.h"

#include "datasets/manifest.h"
#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

/* Samples that use one recording are not independent: they form a group.  The
 * group's number is the first clip that names the same sound (or, without sound,
 * the same face). */
static int64_t *groups_of(const tern_clips *clips, const tern_predictions *predictions)
{
    int64_t *groups = malloc(((size_t)predictions->count + 1) * sizeof *groups);
    for (int64_t i = 0; groups && i < predictions->count; i++) {
        const tern_clip *clip = &clips->clip[predictions->clip[i]];
        const char *key = clip->audio ? clip->audio : clip->face;
        groups[i] = predictions->clip[i];
        for (int64_t j = 0; key && j < predictions->clip[i]; j++) {
            const char *other = clip->audio ? clips->clip[j].audio : clips->clip[j].face;
            if (other && strcmp(other, key) == 0) {
                groups[i] = j;
                break;
            }
        }
    }
    return groups;
}

static bool copy_ids(const tern_clips *clips, tern_score *score, tern_error *error)
{
    score->id = calloc((size_t)score->predictions.count + 1, sizeof *score->id);
    for (int64_t i = 0; score->id && i < score->predictions.count; i++)
        if (!(score->id[i] = strdup(clips->clip[score->predictions.clip[i]].id)))
            return tern_error_set(error, TERN_ERR_MEMORY, "no memory for predictions");
    return score->id || tern_error_set(error, TERN_ERR_MEMORY, "no memory for predictions");
}

static bool measure(const tern_score_opts *opts, const tern_clips *clips, tern_score *score,
                    tern_error *error)
{
    tern_scored scored = tern_predictions_scored(&score->predictions);
    if (!tern_metrics_of(&scored, &score->metrics, error))
        return false;
    if (opts->resamples > 0) {
        int64_t *groups = groups_of(clips, &score->predictions);
        bool ok = groups && tern_metrics_bootstrap(&scored, groups,
                                                   (tern_bootstrap_opts){
                                                       .resamples = opts->resamples },
                                                   &score->intervals, error);
        free(groups);
        if (!ok)
            return tern_error_set(error, TERN_ERR_MEMORY, "no memory for groups");
        score->has_intervals = true;
    }
    return copy_ids(clips, score, error);
}

static bool predict_and_measure(const tern_score_opts *opts, const tern_loaded_run *run,
                                const tern_clips *clips, tern_split split, tern_score *score,
                                tern_error *error)
{
    tern_loader_opts loader_opts = tern_feed_loader_opts(&run->config.model);
    loader_opts.split = split;
    loader_opts.batch = opts->batch ? opts->batch : 32;
    loader_opts.cache_bytes = -1; /* everything is read once */
    tern_loader *loader = tern_loader_new(clips, run->vocabulary, loader_opts, error);
    bool ok = loader &&
              tern_predict_split(run->ctx, run->model, loader, &score->predictions, error) &&
              measure(opts, clips, score, error);
    tern_loader_free(loader);
    return ok;
}

bool tern_score_run(const tern_score_opts *opts, tern_score *score, tern_error *error)
{
    const char *names[TERN_MAX_CLASSES];
    tern_loaded_run run;
    int split = tern_split_find(opts->split ? opts->split : "test");
    *score = (tern_score){ 0 };
    if (split < 0)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "there is no split %s, there are train, valid, test", opts->split);
    if (!tern_run_open(opts->run, opts->device, opts->threads, &run, error))
        return false;
    score->model = run.config.model;
    for (int64_t c = 0; c < run.config.model.classes; c++)
        names[c] = run.config.model.class_names[c];
    tern_clips *clips = tern_manifest_read(
        opts->data, (tern_manifest_opts){ .class_names = names,
                                          .classes = (int)run.config.model.classes,
                                          .needed_splits = 1u << split,
                                          .allow_shared_speakers = opts->allow_shared_speakers },
        error);
    bool ok = clips && predict_and_measure(opts, &run, clips, (tern_split)split, score, error);
    tern_clips_free(clips);
    tern_run_close(&run);
    if (!ok)
        tern_score_free(score);
    return ok;
}

void tern_score_free(tern_score *score)
{
    for (int64_t i = 0; score->id && i < score->predictions.count; i++)
        free(score->id[i]);
    free(score->id);
    tern_metrics_free(&score->metrics);
    tern_predictions_free(&score->predictions);
    *score = (tern_score){ 0 };
}
