#include "train/evaluate.h"

#include "core/observer.h"
#include "train/feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Told apart from the training step, which has other shapes. */
static const uint64_t EVALUATION = 2;

void tern_softmax_rows(const double *logits, int64_t rows, int64_t classes, double *probability)
{
    for (int64_t r = 0; r < rows; r++) {
        const double *row = logits + r * classes;
        double *out = probability + r * classes, largest = row[0], sum = 0;
        for (int64_t c = 1; c < classes; c++)
            largest = row[c] > largest ? row[c] : largest;
        for (int64_t c = 0; c < classes; c++)
            sum += out[c] = exp(row[c] - largest);
        for (int64_t c = 0; c < classes; c++)
            out[c] /= sum;
    }
}

tern_scored tern_predictions_scored(const tern_predictions *predictions)
{
    return (tern_scored){ predictions->count, predictions->classes, predictions->label,
                          predictions->probability };
}

static bool make_room(tern_predictions *predictions, int64_t samples, int64_t classes,
                      tern_error *error)
{
    size_t rows = (size_t)samples + 1;
    *predictions = (tern_predictions){ .classes = (int)classes };
    predictions->label = malloc(rows * sizeof *predictions->label);
    predictions->clip = malloc(rows * sizeof *predictions->clip);
    predictions->probability = malloc(rows * (size_t)classes * sizeof *predictions->probability);
    if (!predictions->label || !predictions->clip || !predictions->probability)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for %lld predictions",
                              (long long)samples);
    return true;
}

static tern_tensor *forward(tern_ctx *ctx, const tern_classifier *model,
                            const tern_model_arrays *arrays)
{
    tern_span_begin(tern_observer_of(ctx), "forward");
    tern_model_inputs inputs =
        tern_model_inputs_upload(ctx, tern_classifier_config(model), arrays);
    tern_tensor *logits = tern_classifier_forward(ctx, model, &inputs, NULL);
    tern_span_end(tern_observer_of(ctx));
    return logits;
}

/* The batch's logits, read to the host. */
static bool run_batch(tern_ctx *ctx, const tern_classifier *model, const tern_batch *batch,
                      double *logits, tern_error *error)
{
    tern_model_arrays arrays = tern_feed_arrays(batch);
    const tern_observer *observer = tern_observer_of(ctx);
    if (!tern_step_is_planned(ctx, EVALUATION)) {
        tern_span_begin(observer, "plan step");
        tern_step_begin_dry(ctx, EVALUATION);
        forward(ctx, model, &arrays);
        tern_span_end(observer);
    }
    tern_step_begin(ctx, EVALUATION);
    tern_span_begin(observer, "predict step");
    tern_tensor *out = forward(ctx, model, &arrays);
    if (tern_ok(ctx))
        tern_read(ctx, out, TERN_F64, logits);
    tern_span_end(observer);
    return tern_ok(ctx) || tern_error_set(error, tern_ctx_error(ctx)->code, "%s",
                                          tern_ctx_error(ctx)->message);
}

/* A prediction that is no number would look like one of class 0. */
static bool check_logits(const tern_model_config *config, const tern_clips *clips,
                         const tern_batch *batch, const double *logits, tern_error *error)
{
    for (int64_t i = 0; i < batch->filled * config->classes; i++) {
        int64_t clip = batch->clip[i / config->classes];
        if (!isfinite(logits[i]))
            return tern_error_set(error, TERN_ERR_DATA,
                                  "clip %s: the model's output for class %s is %g: its media hold "
                                  "absurd values, or the model's parameters do",
                                  clip < 0 ? "drawn from pools" : clips->clip[clip].id,
                                  config->class_names[i % config->classes], logits[i]);
    }
    return true;
}

static void keep_rows(tern_predictions *predictions, const tern_batch *batch,
                      const double *probability)
{
    for (int r = 0; r < batch->filled; r++) {
        int64_t at = predictions->count++;
        const double *row = probability + (size_t)r * (size_t)predictions->classes;
        predictions->label[at] = batch->label[r];
        predictions->clip[at] = batch->clip[r];
        memcpy(predictions->probability + at * predictions->classes, row,
               (size_t)predictions->classes * sizeof *row);
        predictions->loss -= log(fmax(row[batch->label[r]], 1e-300));
    }
}

bool tern_predict_split(tern_ctx *ctx, const tern_classifier *model, tern_loader *loader,
                        tern_predictions *predictions, tern_error *error)
{
    const tern_model_config *config = tern_classifier_config(model);
    int64_t classes = config->classes;
    int64_t rows = tern_loader_shape(loader).rows;
    bool training = tern_is_training(ctx);
    double *logits = calloc((size_t)(2 * rows * classes + 1), sizeof *logits);
    bool ok = make_room(predictions, tern_loader_samples(loader), classes, error) && logits &&
              tern_loader_start(loader, 0, error);
    tern_set_training(ctx, false);
    for (const tern_batch *batch;
         ok && (batch = tern_feed_next(loader, tern_observer_of(ctx), error));) {
        ok = run_batch(ctx, model, batch, logits, error) &&
             check_logits(config, tern_loader_clips(loader), batch, logits, error);
        if (ok) {
            tern_softmax_rows(logits, rows, classes, logits + rows * classes);
            keep_rows(predictions, batch, logits + rows * classes);
        }
    }
    tern_set_training(ctx, training);
    free(logits);
    if (!ok || error->code) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory to evaluate");
        tern_predictions_free(predictions);
        return false;
    }
    predictions->loss /= predictions->count ? (double)predictions->count : 1;
    return true;
}

void tern_predictions_free(tern_predictions *predictions)
{
    free(predictions->label);
    free(predictions->clip);
    free(predictions->probability);
    *predictions = (tern_predictions){ 0 };
}
