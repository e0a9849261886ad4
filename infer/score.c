#include "infer/score.h"

#include "datasets/manifest.h"
#include "train/feed.h"

#include <math.h>
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

/* One run's predictions on the split. */
static bool predict_with(const tern_score_opts *opts, const tern_loaded_run *run,
                         const tern_clips *clips, tern_split split,
                         tern_predictions *predictions, tern_error *error)
{
    tern_loader_opts loader_opts = tern_feed_loader_opts(&run->config.model);
    loader_opts.split = split;
    loader_opts.batch = opts->batch ? opts->batch : 32;
    loader_opts.cache_bytes = -1; /* everything is read once */
    tern_loader *loader = tern_loader_new(clips, run->vocabulary, loader_opts, error);
    bool ok = loader && tern_predict_split(run->ctx, run->model, loader, predictions, error);
    tern_loader_free(loader);
    return ok;
}

/* Sums log-probabilities; the first run's predictions begin the sum. */
static bool add_run(tern_predictions *sum, tern_predictions *more, tern_error *error)
{
    int64_t values = more->count * more->classes;
    bool same = !sum->count || (sum->count == more->count && sum->classes == more->classes &&
                                memcmp(sum->clip, more->clip,
                                       (size_t)more->count * sizeof *more->clip) == 0);
    for (int64_t i = 0; same && i < values; i++) {
        double log_probability = log(fmax(more->probability[i], 1e-300));
        if (sum->count)
            sum->probability[i] += log_probability;
        else
            more->probability[i] = log_probability;
    }
    if (same && !sum->count) {
        *sum = *more;
        *more = (tern_predictions){ 0 };
    }
    tern_predictions_free(more);
    return same || tern_error_set(error, TERN_ERR_DATA,
                                  "the runs see different samples of this split (a row lacks a "
                                  "modality): they cannot be averaged");
}

/* From sums of log-probabilities over the runs to the average's probabilities. */
static void normalise(tern_predictions *predictions, int runs)
{
    double loss = 0;
    for (int64_t i = 0; i < predictions->count * predictions->classes; i++)
        predictions->probability[i] /= runs;
    tern_softmax_rows(predictions->probability, predictions->count, predictions->classes,
                      predictions->probability);
    for (int64_t i = 0; i < predictions->count; i++)
        loss -= log(fmax(predictions->probability[i * predictions->classes +
                                                  predictions->label[i]], 1e-300));
    predictions->loss = predictions->count ? loss / (double)predictions->count : 0;
}

static tern_clips *read_manifest(const tern_score_opts *opts, const tern_model_config *model,
                                 tern_split split, tern_error *error)
{
    const char *names[TERN_MAX_CLASSES];
    for (int64_t c = 0; c < model->classes; c++)
        names[c] = model->class_names[c];
    tern_clips *clips = tern_manifest_read(opts->data,
                                           (tern_manifest_opts){
                                               .class_names = names,
                                               .classes = (int)model->classes,
                                               .needed_splits = 1u << split,
                                               .allow_shared_speakers =
                                                   opts->allow_shared_speakers },
                                           error);
    if (clips && clips->train_unpaired && split == TERN_TRAIN) {
        tern_error_set(error, TERN_ERR_DATA,
                       "%s: the rows of its train split are pools to draw from, not samples that "
                       "could be evaluated", opts->data);
        tern_clips_free(clips);
        return NULL;
    }
    return clips;
}

static bool same_classes(const tern_model_config *a, const tern_model_config *b)
{
    return a->classes == b->classes &&
           memcmp(a->class_names, b->class_names, sizeof a->class_names) == 0;
}

static bool score_one(const tern_score_opts *opts, int r, tern_split split, tern_clips **clips,
                      tern_score *score, tern_error *error)
{
    tern_loaded_run run;
    tern_predictions predictions = { 0 };
    tern_span_begin(opts->observer, "prepare");
    bool ok = tern_run_open(opts->runs[r], opts->device, opts->threads, &run, error);
    tern_span_end(opts->observer);
    if (!ok)
        return false;
    tern_observe(run.ctx, opts->observer);
    if (r == 0) {
        score->model = run.config.model;
        *clips = read_manifest(opts, &run.config.model, split, error);
        ok = *clips != NULL;
    } else if (!same_classes(&score->model, &run.config.model)) {
        ok = tern_error_set(error, TERN_ERR_DATA, "runs %s and %s have different classes",
                            opts->runs[0], opts->runs[r]);
    }
    ok = ok && predict_with(opts, &run, *clips, split, &predictions, error) &&
         add_run(&score->predictions, &predictions, error);
    tern_run_close(&run);
    return ok;
}

bool tern_score_runs(const tern_score_opts *opts, tern_score *score, tern_error *error)
{
    int split = tern_split_find(opts->split ? opts->split : "test");
    tern_clips *clips = NULL;
    *score = (tern_score){ 0 };
    if (split < 0)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "there is no split %s, there are train, valid, test", opts->split);
    bool ok = opts->run_count > 0 || tern_error_set(error, TERN_ERR_ARGUMENT, "no run given");
    for (int r = 0; ok && r < opts->run_count; r++)
        ok = score_one(opts, r, (tern_split)split, &clips, score, error);
    if (ok) {
        normalise(&score->predictions, opts->run_count);
        tern_span_begin(opts->observer, "metrics");
        ok = measure(opts, clips, score, error);
        tern_span_end(opts->observer);
    }
    tern_clips_free(clips);
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
