/* How good a classifier is: metrics of class probabilities against labels, with
 * scikit-learn's definitions, and bootstrap intervals around them.
 *
 *   confusion[t,p]  samples of class t for which p was most probable (of equal
 *                   probabilities the lowest class wins)
 *   accuracy        share of samples on the diagonal
 *   uar             unweighted average recall = balanced accuracy: the mean over
 *                   classes of confusion[c,c] / sum_p confusion[c,p]
 *   macro_f1        mean over classes of 2 tp / (2 tp + fp + fn)
 *   auc             mean over classes of the area under the one-vs-rest ROC curve:
 *                   the probability that a sample of the class gets a higher
 *                   probability for it than a sample of another class, ties
 *                   counting one half
 *
 * Classes absent from the labels: uar and auc average over the classes that are
 * present (auc is NAN if only one is); macro_f1 averages over those that are
 * present or were predicted, so that predicting an absent class costs, as in
 * scikit-learn's f1_score without `labels`.  Where its roc_auc_score gives up,
 * ours is the mean of its binary scores of the classes present.
 */
#ifndef TERN_TRAIN_METRICS_H
#define TERN_TRAIN_METRICS_H

#include "core/error.h"

#include <stdint.h>

/* What is measured. */
typedef struct tern_scored {
    int64_t count;
    int classes;
    const int32_t *labels;       /* [count], in 0..classes-1                        */
    const double *probabilities; /* [count, classes]; any scores that rank a class' */
} tern_scored;                   /*   samples will do                               */

typedef struct tern_metrics {
    double accuracy, uar, macro_f1, auc; /* 0..1 */
    int classes;
    int64_t *confusion; /* [classes, classes], row = truth                */
    double *recall;     /* [classes], NAN where a class is absent         */
    double *f1;         /* [classes], NAN where absent and never predicted */
    double *class_auc;  /* [classes], NAN where absent or the only one    */
} tern_metrics;

/* Cost: a sort per class.  Errors: TERN_ERR_DATA for no samples, a label out of
 * range or a probability that is no number, each with its row.  On an error
 * there is nothing to free. */
bool tern_metrics_of(const tern_scored *scored, tern_metrics *metrics, tern_error *error);
void tern_metrics_free(tern_metrics *metrics);

typedef struct tern_interval {
    double low, high;
} tern_interval;

typedef struct tern_metric_intervals {
    tern_interval accuracy, uar, macro_f1, auc;
} tern_metric_intervals;

typedef struct tern_bootstrap_opts {
    int resamples;     /* default 1000 */
    double confidence; /* default 0.95 */
    uint64_t seed;
} tern_bootstrap_opts;

/* Percentile bootstrap intervals (Efron 1979).  Samples that share a group (frames
 * of a clip, pairs that use one recording) are not independent, so whole groups
 * are drawn with replacement.
 *   groups  [count] any numbers, or NULL: every sample on its own
 * Quantiles are interpolated linearly; a resample in which the auc is undefined
 * is left out of the auc's.  Resample r draws from the Philox stream
 * TERN_STREAM_BOOTSTRAP at step r.  Errors: as above, and TERN_ERR_OPTION. */
bool tern_metrics_bootstrap(const tern_scored *scored, const int64_t *groups,
                            tern_bootstrap_opts opts, tern_metric_intervals *intervals,
                            tern_error *error);

#endif
