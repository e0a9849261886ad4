/* The training loop; see trainer.h. */
#include "train/trainer.h"

#include "core/params.h"
#include "datasets/loader.h"
#include "datasets/manifest.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/table.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/feed.h"
#include "train/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint64_t TRAINING = 1; /* signature of the training step */

typedef struct trainer {
    const tern_trainer_opts *opts;
    tern_run_config config;
    tern_clips *clips;
    tern_vocabulary *vocabulary;
    tern_ctx *ctx;
    tern_classifier *model;
    tern_loader *train, *valid;
    float *class_weight;            /* [classes], or NULL */
    uint8_t *hidden[TERN_STREAMS];  /* modality dropout   */
    tern_checkpoint_info at;
    int64_t total_steps, warmup_steps;
    struct timespec begun;
    tern_error *error;
} trainer;

static double seconds_since(const struct timespec *begun)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + 1e-9 * (double)(now.tv_nsec - begun->tv_nsec);
}

static bool pass_context_error(trainer *t)
{
    if (tern_ok(t->ctx))
        return true;
    return tern_error_set(t->error, tern_ctx_error(t->ctx)->code, "%s",
                          tern_ctx_error(t->ctx)->message);
}

/* ------------------------------------------------------------- set up -- */

static bool read_data(trainer *t)
{
    const tern_model_config *model = &t->config.model;
    const char *names[TERN_MAX_CLASSES];
    tern_manifest_opts manifest = {
        .needed_splits = 1u << TERN_TRAIN | 1u << TERN_VALID,
        .allow_shared_speakers = t->opts->allow_shared_speakers,
    };
    if (t->opts->resume) {
        for (int64_t c = 0; c < model->classes; c++)
            names[c] = model->class_names[c];
        manifest.class_names = names;
        manifest.classes = (int)model->classes;
    }
    t->clips = tern_manifest_read(t->config.data, manifest, t->error);
    return t->clips != NULL;
}

static bool take_classes(trainer *t)
{
    tern_model_config *model = &t->config.model;
    if (t->clips->classes < 2 || t->clips->classes > TERN_MAX_CLASSES)
        return tern_error_set(t->error, TERN_ERR_DATA, "%s: %d classes, 2 to %d are possible",
                              t->config.data, t->clips->classes, TERN_MAX_CLASSES);
    model->classes = t->clips->classes;
    for (int c = 0; c < t->clips->classes; c++) {
        if (strlen(t->clips->class_names[c]) >= TERN_CLASS_NAME_BYTES)
            return tern_error_set(t->error, TERN_ERR_DATA, "%s: class name %.40s... is too long",
                                  t->config.data, t->clips->class_names[c]);
        snprintf(model->class_names[c], TERN_CLASS_NAME_BYTES, "%s", t->clips->class_names[c]);
    }
    return true;
}

static bool take_vocabulary(trainer *t)
{
    char path[TERN_PATH_BYTES];
    if (!tern_model_has(&t->config.model, TERN_STREAM_TEXT))
        return true;
    if (!tern_run_path(t->opts->run, "vocabulary.txt", path, t->error))
        return false;
    t->vocabulary = t->opts->resume
                        ? tern_vocabulary_load(path, t->error)
                        : tern_vocabulary_from_clips(t->clips, (tern_vocabulary_opts){ 0 }, t->error);
    if (!t->vocabulary)
        return false;
    t->config.model.vocabulary = tern_vocabulary_size(t->vocabulary);
    return true;
}

/* A new run gets its folder; an old one is read, and must fit the data. */
static bool prepare_run(trainer *t)
{
    char path[TERN_PATH_BYTES];
    if (t->opts->resume) {
        char hash[17];
        if (!tern_run_config_load(t->opts->run, &t->config, t->error) ||
            !tern_run_hash_file(t->config.data, hash, t->error))
            return false;
        if (strcmp(hash, t->config.data_hash) != 0)
            return tern_error_set(t->error, TERN_ERR_DATA,
                                  "%s has changed since run %s was begun: it cannot be resumed",
                                  t->config.data, t->opts->run);
        return read_data(t) && take_vocabulary(t);
    }
    /* A run that never finished an epoch holds nothing worth keeping. */
    if (!tern_run_path(t->opts->run, "last.safetensors", path, t->error))
        return false;
    if (access(path, F_OK) == 0)
        return tern_error_set(t->error, TERN_ERR_STATE,
                              "run %s exists already: resume it or choose another folder",
                              t->opts->run);
    t->config.model = t->opts->model;
    t->config.train = t->opts->train;
    if (strlen(t->opts->data) >= sizeof t->config.data)
        return tern_error_set(t->error, TERN_ERR_ARGUMENT, "the manifest's path is too long");
    snprintf(t->config.data, sizeof t->config.data, "%s", t->opts->data);
    return tern_train_opts_resolve(&t->config.train, t->error) && read_data(t) &&
           tern_run_hash_file(t->config.data, t->config.data_hash, t->error) &&
           take_classes(t) && take_vocabulary(t) &&
           tern_model_config_resolve(&t->config.model, t->error);
}

static bool open_loaders(trainer *t)
{
    const tern_train_opts *train = &t->config.train;
    tern_augment augment = tern_feed_augment(train->augment);
    tern_loader_opts opts = tern_feed_loader_opts(&t->config.model);
    opts.batch = (int)train->batch;
    opts.seed = train->seed;
    opts.split = TERN_VALID;
    t->valid = tern_loader_new(t->clips, t->vocabulary, opts, t->error);
    opts.split = TERN_TRAIN;
    opts.shuffle = true;
    opts.augment = train->augment > 0 ? &augment : NULL;
    t->train = t->valid ? tern_loader_new(t->clips, t->vocabulary, opts, t->error) : NULL;
    return t->train != NULL;
}

/* One over each class's share of the training rows, mean one. */
static bool weigh_classes(trainer *t)
{
    int64_t classes = t->config.model.classes, total = 0;
    int64_t counts[TERN_MAX_CLASSES] = { 0 };
    if (!t->config.train.balance)
        return true;
    t->class_weight = malloc((size_t)classes * sizeof *t->class_weight);
    if (!t->class_weight)
        return tern_error_set(t->error, TERN_ERR_MEMORY, "no memory for class weights");
    for (int64_t i = 0; i < t->clips->count; i++)
        if (t->clips->clip[i].split == TERN_TRAIN) {
            counts[t->clips->clip[i].label]++;
            total++;
        }
    for (int64_t c = 0; c < classes; c++)
        t->class_weight[c] =
            counts[c] ? (float)total / (float)(classes * counts[c]) : 0;
    return true;
}

/* Each encoder from the first of the given runs that has its modality.  Their
 * vocabulary must be ours, or the embeddings' shapes differ and are refused. */
static bool warm_start(trainer *t)
{
    for (int s = 0; s < TERN_STREAMS; s++) {
        bool found = false;
        for (int i = 0; i < t->opts->init_count && !found; i++) {
            char path[TERN_PATH_BYTES], prefix[32];
            tern_run_config source;
            if (!tern_run_config_load(t->opts->init[i], &source, t->error) ||
                !tern_run_path(t->opts->init[i], "best.safetensors", path, t->error))
                return false;
            found = tern_model_has(&source.model, s) && tern_model_has(&t->config.model, s);
            snprintf(prefix, sizeof prefix, "%s.", tern_stream_names[s]);
            if (found && !tern_checkpoint_load_part(t->ctx, path, prefix))
                return pass_context_error(t);
        }
    }
    return true;
}

static bool build_model(trainer *t)
{
    char path[TERN_PATH_BYTES];
    t->ctx = tern_open((tern_ctx_opts){ .device = t->opts->device, .threads = t->opts->threads,
                                        .seed = t->config.train.seed }, t->error);
    if (!t->ctx)
        return false;
    t->model = tern_classifier_new(t->ctx, &t->config.model);
    tern_params_freeze(t->ctx);
    for (int s = 0; s < TERN_STREAMS; s++)
        if (!(t->hidden[s] = calloc((size_t)t->config.train.batch, 1)))
            return tern_error_set(t->error, TERN_ERR_MEMORY, "no memory for a batch");
    if (!t->opts->resume && !warm_start(t))
        return false;
    if (t->opts->resume && tern_run_path(t->opts->run, "last.safetensors", path, t->error))
        tern_checkpoint_load(t->ctx, path, true, &t->at);
    t->total_steps = t->config.train.epochs * tern_loader_batches(t->train);
    t->warmup_steps = (int64_t)(t->config.train.warmup * (double)t->total_steps);
    return pass_context_error(t);
}

static bool save_new_run(trainer *t)
{
    char path[TERN_PATH_BYTES];
    if (t->opts->resume)
        return true;
    if (!tern_run_config_save(t->opts->run, &t->config, t->error))
        return false;
    return !t->vocabulary || (tern_run_path(t->opts->run, "vocabulary.txt", path, t->error) &&
                              tern_vocabulary_save(t->vocabulary, path, t->error));
}

/* --------------------------------------------------------------- steps -- */

/* Forward, backward, clip and update; recorded or run.  Returns the loss tensor. */
static tern_tensor *step_ops(trainer *t, const tern_model_arrays *arrays, int64_t step)
{
    const tern_train_opts *train = &t->config.train;
    tern_ctx *ctx = t->ctx;
    tern_tensor *class_weight = NULL, *scale;
    tern_model_inputs inputs = tern_model_inputs_upload(ctx, &t->config.model, arrays);
    if (t->class_weight)
        class_weight = tern_input(ctx, "class_weight", TERN_F32, 1, &t->config.model.classes,
                                  t->class_weight);
    tern_tensor *loss = tern_classifier_loss(
        ctx, t->model, &inputs, class_weight,
        (tern_classifier_loss_opts){ .label_smoothing = train->label_smoothing,
                                     .auxiliary = train->auxiliary }, NULL);
    tern_backward(ctx, loss);
    const tern_param_blocks *blocks = tern_blocks(ctx);
    tern_grad_norm(ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = train->clip });
    tern_adamw(ctx, blocks, scale,
               (tern_adamw_opts){ .lr = tern_warmup_cosine(train->lr, step, t->warmup_steps,
                                                           t->total_steps),
                                  .weight_decay = train->weight_decay, .step = step });
    return loss;
}

static double train_step(trainer *t, const tern_batch *batch)
{
    int64_t step = t->at.step + 1;
    tern_model_arrays arrays = tern_feed_arrays(batch);
    if (t->config.train.modality_dropout > 0) {
        tern_feed_hide(batch, t->config.train.modality_dropout, t->config.train.seed,
                       (uint32_t)step, t->hidden);
        for (int s = 0; s < TERN_STREAMS; s++)
            arrays.has[s] = t->hidden[s];
    }
    tern_set_training(t->ctx, true);
    if (!tern_step_is_planned(t->ctx, TRAINING)) {
        tern_step_begin_dry(t->ctx, TRAINING);
        step_ops(t, &arrays, step);
    }
    tern_step_begin(t->ctx, TRAINING);
    tern_set_rng_step(t->ctx, (uint32_t)step);
    double loss = tern_read_scalar(t->ctx, step_ops(t, &arrays, step));
    t->at.step = step;
    return loss;
}

/* -------------------------------------------------------------- epochs -- */

static bool validate(trainer *t, tern_progress *progress)
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

static bool append_metrics(trainer *t, const tern_progress *p)
{
    char path[TERN_PATH_BYTES];
    if (!tern_run_path(t->opts->run, "metrics.jsonl", path, t->error))
        return false;
    json_t *line = json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "epoch",
                             (json_int_t)p->epoch, "step", (json_int_t)t->at.step, "train_loss",
                             p->loss, "valid_loss", p->valid_loss, "valid_accuracy",
                             p->valid_accuracy, "valid_uar", p->valid_uar, "valid_macro_f1",
                             p->valid_macro_f1, "valid_auc", p->valid_auc, "seconds", p->seconds);
    FILE *file = fopen(path, "a");
    bool ok = line && file && json_dumpf(line, file, JSON_REAL_PRECISION(9)) == 0 &&
              putc('\n', file) != EOF;
    ok = (!file || fclose(file) == 0) && ok;
    json_decref(line);
    return ok || tern_error_set(t->error, TERN_ERR_IO, "cannot write %s", path);
}

static bool finish_epoch(trainer *t, tern_progress *progress, tern_train_result *result)
{
    char path[TERN_PATH_BYTES];
    if (!validate(t, progress))
        return false;
    progress->epoch_done = true;
    progress->seconds = seconds_since(&t->begun);
    progress->best = t->at.epoch == 0 || progress->valid_uar > t->at.best;
    t->at.epoch = progress->epoch;
    if (progress->best) {
        t->at.best = progress->valid_uar;
        result->best_epoch = progress->epoch;
        if (!tern_run_path(t->opts->run, "best.safetensors", path, t->error) ||
            !tern_checkpoint_save(t->ctx, path, false, &t->at))
            return pass_context_error(t) && false;
    }
    if (!tern_run_path(t->opts->run, "last.safetensors", path, t->error) ||
        !tern_checkpoint_save(t->ctx, path, true, &t->at))
        return pass_context_error(t) && false;
    if (!append_metrics(t, progress))
        return false;
    if (t->opts->progress)
        t->opts->progress(progress, t->opts->user);
    return true;
}

static bool run_epoch(trainer *t, int64_t epoch, tern_train_result *result)
{
    tern_progress progress = { .epoch = epoch, .epochs = t->config.train.epochs,
                               .batches = tern_loader_batches(t->train) };
    double sum = 0;
    if (!tern_loader_start(t->train, (uint32_t)epoch, t->error))
        return false;
    for (const tern_batch *batch; (batch = tern_loader_next(t->train, t->error));) {
        sum += train_step(t, batch);
        if (!pass_context_error(t))
            return false;
        progress.loss = sum / (double)++progress.batch;
        progress.seconds = seconds_since(&t->begun);
        if (t->opts->progress)
            t->opts->progress(&progress, t->opts->user);
    }
    result->flops_per_sample = tern_step_flops(t->ctx) / (double)t->config.train.batch;
    return t->error->code == TERN_OK && finish_epoch(t, &progress, result);
}

static void close_trainer(trainer *t)
{
    tern_loader_free(t->train);
    tern_loader_free(t->valid);
    tern_classifier_free(t->model);
    tern_ctx_free(t->ctx);
    tern_vocabulary_free(t->vocabulary);
    tern_clips_free(t->clips);
    free(t->class_weight);
    for (int s = 0; s < TERN_STREAMS; s++)
        free(t->hidden[s]);
}

bool tern_train(const tern_trainer_opts *opts, tern_train_result *result, tern_error *error)
{
    trainer t = { .opts = opts, .error = error };
    *result = (tern_train_result){ 0 };
    clock_gettime(CLOCK_MONOTONIC, &t.begun);
    bool ok = prepare_run(&t) && open_loaders(&t) && weigh_classes(&t) && build_model(&t) &&
              save_new_run(&t);
    int64_t last = ok ? t.config.train.epochs : 0;
    if (ok && opts->stop_after && t.at.epoch + opts->stop_after < last)
        last = t.at.epoch + opts->stop_after;
    if (ok)
        result->parameters = tern_param_elements(t.ctx);
    for (int64_t epoch = t.at.epoch + 1; ok && epoch <= last; epoch++)
        ok = run_epoch(&t, epoch, result);
    result->epochs = t.at.epoch;
    result->steps = t.at.step;
    result->best_uar = t.at.best;
    result->seconds = seconds_since(&t.begun);
    close_trainer(&t);
    return ok;
}
