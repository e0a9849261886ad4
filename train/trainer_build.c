/* Before the first step: the model, what of it is trained how, and where it starts from;
 * see trainer_private.h. */
#include "train/trainer_private.h"

#include "core/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------- class weights -- */

/* One over each class's share of the training rows, mean one. */
static void balance_classes(trainer *t)
{
    int64_t classes = t->config.model.classes, total = 0;
    int64_t counts[TERN_MAX_CLASSES] = { 0 };
    for (int64_t i = 0; i < t->clips->count; i++)
        if (t->clips->clip[i].split == TERN_TRAIN) {
            counts[t->clips->clip[i].label]++;
            total++;
        }
    for (int64_t c = 0; c < classes; c++)
        t->class_weight[c] =
            counts[c] ? (float)total / (float)(classes * counts[c]) : 0;
}

static bool weigh_class(trainer *t, const tern_named_number *weight)
{
    const tern_model_config *model = &t->config.model;
    const char *names[TERN_MAX_CLASSES];
    for (int c = 0; c < (int)model->classes; c++) {
        names[c] = model->class_names[c];
        if (strcmp(names[c], weight->name) == 0) {
            t->class_weight[c] *= (float)weight->value;
            return true;
        }
    }
    const char *nearest = tern_nearest_name(weight->name, names, (int)model->classes);
    return tern_error_set(t->error, TERN_ERR_OPTION,
                          "class_weight.%s: %s has no such class%s%s%s", weight->name,
                          t->config.data, nearest ? ", did you mean " : "", nearest ? nearest : "",
                          nearest ? "?" : "");
}

static bool weigh_classes(trainer *t)
{
    const tern_named_numbers *weights = &t->config.train.class_weight;
    size_t classes = (size_t)t->config.model.classes;
    if (!t->config.train.balance && !weights->count)
        return true;
    t->class_weight = malloc(classes * sizeof *t->class_weight);
    if (!t->class_weight)
        return tern_error_set(t->error, TERN_ERR_MEMORY, "no memory for class weights");
    for (size_t c = 0; c < classes; c++)
        t->class_weight[c] = 1;
    if (t->config.train.balance)
        balance_classes(t);
    for (int i = 0; i < weights->count; i++)
        if (!weigh_class(t, &weights->at[i]))
            return false;
    return true;
}

/* ----------------------------------------------------------- warm start -- */

/* Word ids mean the same only under the same list of words. */
static bool same_vocabulary(trainer *t, const char *run)
{
    char path[TERN_PATH_BYTES];
    if (!tern_run_path(run, "vocabulary.txt", path, t->error))
        return false;
    tern_vocabulary *other = tern_vocabulary_load(path, t->error);
    int size = other ? tern_vocabulary_size(other) : 0;
    bool same = other && size == tern_vocabulary_size(t->vocabulary);
    for (int i = 0; same && i < size; i++)
        same = strcmp(tern_vocabulary_word(other, i), tern_vocabulary_word(t->vocabulary, i)) == 0;
    tern_vocabulary_free(other);
    return same || tern_error_set(t->error, TERN_ERR_DATA,
                                  "%s: its words are not those of %s, so its text encoder cannot "
                                  "be taken over", path, t->config.data);
}

/* Each encoder from the first of the given runs that has its modality. */
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
            if (found && ((s == TERN_STREAM_TEXT && !same_vocabulary(t, t->opts->init[i])) ||
                          !tern_checkpoint_load_part(t->ctx, path, prefix)))
                return tern_trainer_pass_error(t) && false;
        }
    }
    return true;
}

/* --------------------------------------------------------------- groups -- */

/* The option that an error of tern_group_params comes from is put before it. */
static bool group(trainer *t, const char *option, const char *pattern, tern_group_opts opts)
{
    tern_group_params(t->ctx, pattern, opts);
    if (tern_trainer_pass_error(t))
        return true;
    tern_error_prefix(t->error, "%s", option);
    return false;
}

static bool freeze(trainer *t)
{
    char patterns[TERN_FREEZE_BYTES], *rest, *pattern;
    snprintf(patterns, sizeof patterns, "%s", t->config.train.freeze);
    rest = *patterns ? patterns : NULL;
    while ((pattern = strsep(&rest, ",")))
        if (!group(t, "freeze", pattern, (tern_group_opts){ .frozen = true }))
            return false;
    return true;
}

static bool group_params(trainer *t)
{
    const tern_named_numbers *scales = &t->config.train.lr_scale;
    const tern_named_numbers *decays = &t->config.train.group_decay;
    for (int i = 0; i < scales->count; i++)
        if (!group(t, "lr_scale", scales->at[i].name,
                   (tern_group_opts){ .lr_scale = scales->at[i].value }))
            return false;
    for (int i = 0; i < decays->count; i++)
        if (!group(t, "weight_decay", decays->at[i].name,
                   (tern_group_opts){ .has_weight_decay = true,
                                      .weight_decay = decays->at[i].value }))
            return false;
    return freeze(t);
}

/* ---------------------------------------------------------------- model -- */

static void plan_optimiser(trainer *t)
{
    const tern_train_opts *train = &t->config.train;
    t->optimiser = (tern_optimiser){
        .kind = (tern_optimiser_kind)train->optimizer, .weight_decay = train->weight_decay,
        .clip = train->clip, .beta1 = train->beta1, .beta2 = train->beta2, .eps = train->eps,
        .momentum = train->momentum, .nesterov = train->nesterov, .ema = train->ema,
    };
}

static void plan_schedule(trainer *t)
{
    const tern_train_opts *train = &t->config.train;
    int64_t batches = tern_loader_batches(t->train), total = train->epochs * batches;
    t->schedule = (tern_schedule){ .kind = (tern_schedule_kind)train->schedule,
                                   .peak = train->lr, .total = total,
                                   .warmup = (int64_t)(train->warmup * (double)total),
                                   .every = train->lr_every * batches,
                                   .factor = train->lr_factor };
    t->plateau = tern_plateau_begin(train->lr_factor, train->patience);
}

static bool declare_model(trainer *t)
{
    t->ctx = tern_run_ctx(t->opts->device, t->opts->threads, t->config.train.seed, t->error);
    if (!t->ctx)
        return false;
    tern_observe(t->ctx, t->opts->observer);
    t->model = tern_classifier_new(t->ctx, &t->config.model);
    if (!group_params(t))
        return false;
    tern_params_freeze(t->ctx);
    if (tern_trainer_pass_error(t) && tern_blocks(t->ctx)->value->count == 0)
        return tern_error_set(t->error, TERN_ERR_OPTION, "freeze=%s leaves nothing to train",
                              t->config.train.freeze);
    return t->error->code == TERN_OK;
}

/* Initial values, those of other runs, or those that this run had come to. */
static bool start_model(trainer *t)
{
    char path[TERN_PATH_BYTES];
    if (t->opts->resume) {
        if (!tern_run_path(t->opts->run, "last.safetensors", path, t->error))
            return false;
        tern_checkpoint_load(t->ctx, path, &t->optimiser, &t->at);
    } else {
        if (!warm_start(t))
            return false;
        if (t->optimiser.ema > 0)
            tern_average_begin(t->ctx);
    }
    return tern_trainer_pass_error(t);
}

bool tern_trainer_build(trainer *t)
{
    plan_optimiser(t);
    plan_schedule(t);
    return weigh_classes(t) && declare_model(t) && start_model(t);
}
