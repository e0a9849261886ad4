/* Before the first step: data, vocabulary, loaders, folder; see trainer_private.h. */
#include "train/trainer_private.h"

#include "datasets/folder.h"
#include "datasets/manifest.h"
#include "train/feed.h"
#include "train/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tern_trainer_pass_error(trainer *t)
{
    if (tern_ok(t->ctx))
        return true;
    return tern_error_set(t->error, tern_ctx_error(t->ctx)->code, "%s",
                          tern_ctx_error(t->ctx)->message);
}

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

static unsigned streams_of(const tern_clip *clip)
{
    return (clip->face ? 1u << TERN_STREAM_FACE : 0) | (clip->audio ? 1u << TERN_STREAM_AUDIO : 0) |
           (clip->text ? 1u << TERN_STREAM_TEXT : 0);
}

/* A modality or a class that no training row shows cannot be learnt. */
static bool check_train_rows(trainer *t)
{
    const tern_model_config *model = &t->config.model;
    unsigned shown = 0;
    int64_t rows[TERN_MAX_CLASSES] = { 0 };
    for (int64_t i = 0; i < t->clips->count; i++) {
        const tern_clip *clip = &t->clips->clip[i];
        if (clip->split != TERN_TRAIN)
            continue;
        shown |= streams_of(clip);
        rows[clip->label] += (streams_of(clip) & model->streams) != 0;
    }
    for (int s = 0; s < TERN_STREAMS; s++)
        if (tern_model_has(model, s) && !(shown & 1u << s))
            return tern_error_set(t->error, TERN_ERR_DATA,
                                  "%s: no row of split train has %s, which the model is to read: "
                                  "choose others (--modalities)", t->config.data,
                                  tern_stream_names[s]);
    for (int64_t c = 0; c < model->classes; c++)
        if (model->streams && !rows[c])
            return tern_error_set(t->error, TERN_ERR_DATA,
                                  "%s: class %s has rows in other splits, but none in train that "
                                  "the model could learn it from", t->config.data,
                                  model->class_names[c]);
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

/* The manifest may have moved since the run was begun, but not changed. */
static bool take_data(trainer *t)
{
    char hash[17];
    if (t->opts->data) {
        if (strlen(t->opts->data) >= sizeof t->config.data)
            return tern_error_set(t->error, TERN_ERR_ARGUMENT, "the manifest's path is too long");
        snprintf(t->config.data, sizeof t->config.data, "%s", t->opts->data);
    }
    if (t->opts->resume && !t->opts->data && access(t->config.data, R_OK) != 0)
        return tern_error_set(t->error, TERN_ERR_IO,
                              "%s, the manifest of run %s, cannot be opened: %s; say where it is "
                              "now (--data)", t->config.data, t->opts->run, strerror(errno));
    if (!tern_run_hash_file(t->config.data, hash, t->error))
        return false;
    if (t->opts->resume && strcmp(hash, t->config.data_hash) != 0)
        return tern_error_set(t->error, TERN_ERR_DATA,
                              "%s is not what it was when run %s was begun: it cannot be resumed",
                              t->config.data, t->opts->run);
    memcpy(t->config.data_hash, hash, sizeof hash);
    return read_data(t);
}

/* What a run holds that never finished an epoch: nothing worth keeping.  The name of
 * something else in the run's folder goes into `other`. */
static bool find_results(const trainer *t, char other[TERN_FILE_NAME_BYTES])
{
    static const char *const begun[] = { "config.json", "vocabulary.txt", NULL };
    return tern_folder_find_other(t->opts->run, begun, other, t->error);
}

static bool prepare_resume(trainer *t)
{
    char path[TERN_PATH_BYTES], other[TERN_FILE_NAME_BYTES];
    if (!tern_run_config_load(t->opts->run, &t->config, t->error) ||
        !tern_run_path(t->opts->run, "last.safetensors", path, t->error) || !find_results(t, other))
        return false;
    if (access(path, F_OK) != 0)
        return tern_error_set(t->error, TERN_ERR_STATE, "run %s has no last.safetensors: %s",
                              t->opts->run,
                              other[0] ? "it cannot be resumed; train into another folder"
                                       : "it finished no epoch and has to be begun again, without "
                                         "resuming");
    return take_data(t) && take_vocabulary(t);
}

static bool prepare_new(trainer *t)
{
    char path[TERN_PATH_BYTES], other[TERN_FILE_NAME_BYTES];
    if (!tern_run_path(t->opts->run, "last.safetensors", path, t->error))
        return false;
    if (access(path, F_OK) == 0)
        return tern_error_set(t->error, TERN_ERR_STATE,
                              "run %s exists already: resume it or choose another folder",
                              t->opts->run);
    if (!find_results(t, other))
        return false;
    if (other[0])
        return tern_error_set(t->error, TERN_ERR_STATE,
                              "%s holds something already (%s): choose another folder for the run",
                              t->opts->run, other);
    t->config.model = t->opts->model;
    t->config.train = t->opts->train;
    return tern_train_opts_resolve(&t->config.train, t->error) && take_data(t) &&
           take_classes(t) && check_train_rows(t) && take_vocabulary(t) &&
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

/* Only now, when nothing can be wrong with the input any more, is the folder touched. */
static bool prepare_folder(trainer *t)
{
    char path[TERN_PATH_BYTES];
    if (t->opts->resume)
        return tern_history_cut(t->opts->run, t->at.epoch, t->error);
    if (!tern_run_config_save(t->opts->run, &t->config, t->error) ||
        !tern_history_cut(t->opts->run, 0, t->error))
        return false;
    return !t->vocabulary || (tern_run_path(t->opts->run, "vocabulary.txt", path, t->error) &&
                              tern_vocabulary_save(t->vocabulary, path, t->error));
}

bool tern_trainer_prepare(trainer *t)
{
    return (t->opts->resume ? prepare_resume(t) : prepare_new(t)) && open_loaders(t) &&
           tern_trainer_build(t) && prepare_folder(t);
}

void tern_trainer_close(trainer *t)
{
    tern_loader_free(t->train);
    tern_loader_free(t->valid);
    tern_classifier_free(t->model);
    tern_ctx_free(t->ctx);
    tern_vocabulary_free(t->vocabulary);
    tern_clips_free(t->clips);
    free(t->class_weight);
}
