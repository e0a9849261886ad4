/* The training loop; see trainer.h. */
#include "train/trainer_private.h"

#include "core/params.h"
#include "train/evaluate.h"
#include "train/feed.h"
#include "train/history.h"

#include <math.h>

static const uint64_t TRAINING = 1; /* signature of the training step */

/* --------------------------------------------------------------- steps -- */

static double seconds_since(const struct timespec *begun)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + 1e-9 * (double)(now.tv_nsec - begun->tv_nsec);
}

/* Forward, backward, clip and update; recorded or run.  Returns the loss tensor. */
static tern_tensor *step_ops(trainer *t, const tern_model_arrays *arrays, int64_t step)
{
    const tern_train_opts *train = &t->config.train;
    tern_ctx *ctx = t->ctx;
    tern_tensor *class_weight = NULL;
    tern_span_begin(t->opts->observer, "forward");
    tern_model_inputs inputs = tern_model_inputs_upload(ctx, &t->config.model, arrays);
    if (t->class_weight)
        class_weight = tern_input(ctx, "class_weight", TERN_F32, 1, &t->config.model.classes,
                                  t->class_weight);
    tern_tensor *loss = tern_classifier_loss(
        ctx, t->model, &inputs, class_weight,
        (tern_classifier_loss_opts){
            .label_smoothing = train->label_smoothing,
            .focal_gamma = train->loss == TERN_LOSS_FOCAL ? train->gamma : 0,
            .auxiliary = train->auxiliary,
            .modality_dropout = train->modality_dropout }, NULL);
    tern_span_end(t->opts->observer);
    tern_backward(ctx, loss);
    tern_span_begin(t->opts->observer, "update");
    double lr = t->plateau.scale * tern_schedule_rate(&t->schedule, step);
    tern_optimiser_step(ctx, &t->optimiser, lr, step);
    tern_span_end(t->opts->observer);
    return loss;
}

static double train_step(trainer *t, const tern_batch *batch)
{
    int64_t step = t->at.step + 1;
    tern_model_arrays arrays = tern_feed_arrays(batch);
    tern_set_training(t->ctx, true);
    if (!tern_step_is_planned(t->ctx, TRAINING)) {
        tern_span_begin(t->opts->observer, "plan step");
        tern_step_begin_dry(t->ctx, TRAINING);
        step_ops(t, &arrays, step);
        tern_span_end(t->opts->observer);
    }
    tern_step_begin(t->ctx, TRAINING);
    tern_set_rng_step(t->ctx, (uint32_t)step);
    tern_span_begin(t->opts->observer, "train step");
    double loss = tern_read_scalar(t->ctx, step_ops(t, &arrays, step));
    tern_span_end(t->opts->observer);
    t->at.step = step;
    return loss;
}

/* -------------------------------------------------------------- epochs -- */

static bool score_validation(trainer *t, tern_progress *progress)
{
    tern_predictions predictions;
    tern_metrics metrics;
    if (!tern_predict_split(t->ctx, t->model, t->valid, &predictions, t->error))
        return false;
    tern_scored scored = tern_predictions_scored(&predictions);
    bool ok = tern_metrics_of(&scored, &metrics, t->error);
    if (ok) {
        progress->valid_loss = predictions.loss;
        progress->valid_accuracy = metrics.accuracy;
        progress->valid_uar = metrics.uar;
        progress->valid_macro_f1 = metrics.macro_f1;
        progress->valid_auc = metrics.auc;
        tern_metrics_free(&metrics);
    }
    tern_predictions_free(&predictions);
    return ok;
}

static bool validate(trainer *t, tern_progress *progress)
{
    tern_span_begin(t->opts->observer, "validate");
    bool ok = score_validation(t, progress);
    tern_span_end(t->opts->observer);
    return ok;
}

static bool save_checkpoint(trainer *t, const char *name, const tern_optimiser *optimiser)
{
    char path[TERN_PATH_BYTES];
    tern_span_begin(t->opts->observer, "save checkpoint");
    bool ok = tern_run_path(t->opts->run, name, path, t->error) &&
              (tern_checkpoint_save(t->ctx, path, optimiser, &t->at) || tern_trainer_pass_error(t));
    tern_span_end(t->opts->observer);
    return ok;
}

static bool append_metrics(trainer *t, const tern_progress *p)
{
    const tern_epoch_metrics metrics = {
        .epoch = p->epoch, .step = t->at.step, .train_loss = p->loss, .valid_loss = p->valid_loss,
        .valid_accuracy = p->valid_accuracy, .valid_uar = p->valid_uar,
        .valid_macro_f1 = p->valid_macro_f1, .valid_auc = p->valid_auc, .seconds = p->seconds,
    };
    return tern_history_append(t->opts->run, &metrics, t->error);
}

/* Validation, and the checkpoint if it is the best, of the average where there is one. */
static bool judge_epoch(trainer *t, tern_progress *progress)
{
    bool averaged = t->optimiser.ema > 0;
    if (averaged)
        tern_average_use(t->ctx, true);
    if (!validate(t, progress))
        return false;
    progress->epoch_done = true;
    progress->seconds = seconds_since(&t->begun);
    progress->best = t->at.epoch == 0 || progress->valid_uar > t->at.best;
    t->at.epoch = progress->epoch;
    if (progress->best) {
        t->at.best = progress->valid_uar;
        t->at.best_epoch = progress->epoch;
    }
    if (progress->best && !save_checkpoint(t, "best.safetensors", NULL))
        return false;
    if (averaged)
        tern_average_use(t->ctx, false);
    return true;
}

/* last.safetensors comes last: it says which epoch the run is at. */
static bool finish_epoch(trainer *t, tern_progress *progress)
{
    if (!judge_epoch(t, progress) || !append_metrics(t, progress) ||
        !save_checkpoint(t, "last.safetensors", &t->optimiser))
        return false;
    if (t->opts->progress)
        t->opts->progress(progress, t->opts->user);
    return true;
}

static bool check_loss(trainer *t, double loss, const tern_progress *at)
{
    return isfinite(loss) ||
           tern_error_set(t->error, TERN_ERR_DATA,
                          "the loss is %g in batch %lld of epoch %lld: training has diverged; a "
                          "lower learning rate than %g may help", loss, (long long)at->batch + 1,
                          (long long)at->epoch, t->config.train.lr);
}

static bool asked_to_stop(const trainer *t)
{
    return t->opts->stop && t->opts->stop(t->opts->user);
}

/* All batches of an epoch, or those up to the one after which it was stopped. */
static bool run_batches(trainer *t, tern_progress *progress, bool *stopped)
{
    double sum = 0;
    if (!tern_loader_start(t->train, (uint32_t)progress->epoch, t->error))
        return false;
    for (const tern_batch *batch;
         !*stopped && (batch = tern_feed_next(t->train, t->opts->observer, t->error));) {
        double loss = train_step(t, batch);
        if (!tern_trainer_pass_error(t) || !check_loss(t, loss, progress))
            return false;
        sum += loss;
        progress->loss = sum / (double)++progress->batch;
        progress->seconds = seconds_since(&t->begun);
        if (t->opts->progress)
            t->opts->progress(progress, t->opts->user);
        *stopped = asked_to_stop(t);
    }
    return t->error->code == TERN_OK;
}

static void see_loss(void *plateau, double valid_loss)
{
    tern_plateau_see(plateau, valid_loss);
}

/* From the history on disk, so that a run that is resumed decides as if it had not
 * stopped. */
static bool look_for_plateau(trainer *t)
{
    const tern_train_opts *train = &t->config.train;
    if (train->schedule != TERN_SCHEDULE_PLATEAU)
        return true;
    t->plateau = tern_plateau_begin(train->lr_factor, train->patience);
    return tern_history_losses(t->opts->run, t->at.epoch, see_loss, &t->plateau, t->error);
}

static bool run_epoch(trainer *t, int64_t epoch, tern_train_result *result)
{
    tern_progress progress = { .epoch = epoch, .epochs = t->config.train.epochs,
                               .batches = tern_loader_batches(t->train) };
    tern_checkpoint_info before = t->at;
    bool ok = look_for_plateau(t) && run_batches(t, &progress, &result->stopped);
    result->flops_per_sample = tern_step_flops(t->ctx) / (double)t->config.train.batch;
    ok = ok && (result->stopped || finish_epoch(t, &progress));
    if (!ok || result->stopped)
        t->at = before; /* what is on disk */
    else
        result->stopped = epoch < t->config.train.epochs && asked_to_stop(t);
    return ok;
}

bool tern_train(const tern_trainer_opts *opts, tern_train_result *result, tern_error *error)
{
    trainer t = { .opts = opts, .error = error };
    *result = (tern_train_result){ 0 };
    clock_gettime(CLOCK_MONOTONIC, &t.begun);
    tern_span_begin(opts->observer, "prepare");
    bool ok = tern_trainer_prepare(&t);
    tern_span_end(opts->observer);
    int64_t last = ok ? t.config.train.epochs : 0;
    if (ok && opts->stop_after && t.at.epoch + opts->stop_after < last)
        last = t.at.epoch + opts->stop_after;
    if (ok)
        result->parameters = tern_param_elements(t.ctx);
    for (int64_t epoch = t.at.epoch + 1; ok && !result->stopped && epoch <= last; epoch++)
        ok = run_epoch(&t, epoch, result);
    result->epochs = t.at.epoch;
    result->steps = t.at.step;
    result->best_epoch = t.at.best_epoch;
    result->best_uar = t.at.best;
    result->seconds = seconds_since(&t.begun);
    tern_trainer_close(&t);
    return ok;
}
