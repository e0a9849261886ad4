/* Evaluating runs on a manifest, and saying how good they are. */
#ifndef TERN_INFER_SCORE_H
#define TERN_INFER_SCORE_H

#include "core/observer.h"
#include "train/evaluate.h"
#include "train/run.h"

typedef struct tern_score_opts {
    const char *const *runs; /* one, or several whose log-probabilities are averaged:
                                the best fusion there is of modalities that are
                                independent given the label                     */
    int run_count;
    const char *data;
    const char *split;    /* default "test" */
    const char *device;
    int threads;
    int batch;            /* default 32 */
    bool allow_shared_speakers;
    int resamples;        /* of the bootstrap; 0: no intervals */
    const tern_observer *observer; /* hears of every kernel; may be NULL */
} tern_score_opts;

typedef struct tern_score {
    tern_model_config model;
    tern_predictions predictions;
    tern_metrics metrics;
    bool has_intervals;
    tern_metric_intervals intervals; /* clustered by sound clip, else by sample */
    char **id;                       /* of each prediction's clip               */
} tern_score;

/* Evaluate a run, or the average of several, on a split of any manifest with the
 * (first) run's classes; all runs must have the same. */
bool tern_score_runs(const tern_score_opts *opts, tern_score *score, tern_error *error);
void tern_score_free(tern_score *score);

#endif
