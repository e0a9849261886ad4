/* A model's predictions on a split, and how good they are. */
#ifndef TERN_TRAIN_EVALUATE_H
#define TERN_TRAIN_EVALUATE_H

#include "datasets/loader.h"
#include "models/classifier.h"
#include "train/metrics.h"

typedef struct tern_predictions {
    int64_t count;
    int classes;
    int32_t *label;        /* [count]                                       */
    int64_t *clip;         /* [count], index into the clips                 */
    double *probability;   /* [count, classes]                              */
    double loss;           /* mean negative log-likelihood                  */
} tern_predictions;

/* Predict one epoch of the loader, in inference mode.  False on an error of the
 * loader (in error) or of the context (copied into error), and with TERN_ERR_DATA, naming
 * the clip, if the model's output is not finite. */
bool tern_predict_split(tern_ctx *ctx, const tern_classifier *model, tern_loader *loader,
                        tern_predictions *predictions, tern_error *error);
void tern_predictions_free(tern_predictions *predictions);

/* Probabilities of one batch's logits [N,classes], in float64. */
void tern_softmax_rows(const double *logits, int64_t rows, int64_t classes, double *probability);

tern_scored tern_predictions_scored(const tern_predictions *predictions);

#endif
