/* The run folder; see run.h. */
#include "train/run.h"

#include "core/params.h"
#include "datasets/file.h"
#include "datasets/folder.h"
#include "kernels/table.h"
#include "train/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tern_run_path(const char *run, const char *name, char *path, tern_error *error)
{
    int length = snprintf(path, TERN_PATH_BYTES, "%s/%s", run, name);
    if (length < 0 || length >= TERN_PATH_BYTES)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "the path of the run is too long: %.60s...",
                              run);
    return true;
}

bool tern_run_hash_file(const char *path, char hash[17], tern_error *error)
{
    uint64_t value = 0xCBF29CE484222325u;
    size_t size;
    uint8_t *bytes = tern_file_read(path, &size, error);
    if (!bytes)
        return false;
    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * 0x100000001B3u;
    free(bytes);
    snprintf(hash, 17, "%016llx", (unsigned long long)value);
    return true;
}

bool tern_run_config_save(const char *run, const tern_run_config *config, tern_error *error)
{
    char path[TERN_PATH_BYTES];
    if (!tern_run_path(run, "config.json", path, error) || !tern_folder_make(run, error))
        return false;
    char *manifest = realpath(config->data, NULL); /* the run may be resumed from elsewhere */
    json_t *data = json_pack("{s:s, s:s}", "manifest", manifest ? manifest : config->data,
                             "fnv1a64", config->data_hash);
    free(manifest);
    json_t *json = json_pack("{s:s, s:o, s:o, s:o}", "tern", TERN_VERSION, "model",
                             tern_model_config_to_json(&config->model), "train",
                             tern_train_opts_to_json(&config->train), "data", data);
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    bool ok = text ? tern_file_replace(path, text, strlen(text), error)
                   : tern_error_set(error, TERN_ERR_MEMORY,
                                    "%s: no memory to write it, or a name in it is not UTF-8",
                                    path);
    free(text);
    return ok;
}

static bool read_data_keys(const json_t *json, tern_run_config *config, tern_error *error)
{
    static const char *const keys[] = { "manifest", "fnv1a64", NULL };
    const char *manifest = json_string_value(json_object_get(json, "manifest"));
    const char *hash = json_string_value(json_object_get(json, "fnv1a64"));
    if (!tern_json_keys(json, "\"data\"", keys, error))
        return false;
    if (!manifest || strlen(manifest) >= sizeof config->data || !hash || strlen(hash) != 16)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "\"data\" needs manifest, a path, and fnv1a64, 16 hex digits");
    memcpy(config->data, manifest, strlen(manifest) + 1);
    memcpy(config->data_hash, hash, 17);
    return true;
}

static bool read_keys(const json_t *json, tern_run_config *config, tern_error *error)
{
    static const char *const keys[] = { "tern", "model", "train", "data", NULL };
    return tern_json_keys(json, "the file", keys, error) &&
           tern_model_config_from_json(json_object_get(json, "model"), &config->model, error) &&
           tern_train_opts_from_json(json_object_get(json, "train"), &config->train, error) &&
           read_data_keys(json_object_get(json, "data"), config, error);
}

bool tern_run_config_load(const char *run, tern_run_config *config, tern_error *error)
{
    char path[TERN_PATH_BYTES];
    json_error_t problem;
    *config = (tern_run_config){ 0 };
    if (!tern_run_path(run, "config.json", path, error))
        return false;
    if (access(path, R_OK) != 0)
        return tern_error_set(error, TERN_ERR_IO, "%s is no run: %s: %s", run, path,
                              strerror(errno));
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    if (!json)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s, line %d: %s", path, problem.line,
                              problem.text);
    bool ok = read_keys(json, config, error);
    if (!ok)
        tern_error_prefix(error, "%s", path);
    json_decref(json);
    return ok;
}

tern_ctx *tern_run_ctx(const char *device, int threads, uint64_t seed, tern_error *error)
{
    tern_ctx *ctx =
        tern_open((tern_ctx_opts){ .device = device, .threads = threads, .seed = seed }, error);
    if (ctx && strcmp(tern_device(ctx), "meta") == 0) {
        tern_error_set(error, TERN_ERR_ARGUMENT,
                       "device meta computes nothing: it tells programs shapes, costs and memory, "
                       "there is nothing to train or predict with it");
        tern_ctx_free(ctx);
        return NULL;
    }
    return ctx;
}

static bool load_model(const char *path, tern_loaded_run *run, tern_error *error)
{
    char file[TERN_PATH_BYTES];
    if (tern_model_has(&run->config.model, TERN_STREAM_TEXT)) {
        if (!tern_run_path(path, "vocabulary.txt", file, error) ||
            !(run->vocabulary = tern_vocabulary_load(file, error)))
            return false;
        if (tern_vocabulary_size(run->vocabulary) != run->config.model.vocabulary)
            return tern_error_set(error, TERN_ERR_FORMAT, "%s has %d words, the model %lld", file,
                                  tern_vocabulary_size(run->vocabulary),
                                  (long long)run->config.model.vocabulary);
    }
    tern_set_inference_only(run->ctx);
    run->model = tern_classifier_new(run->ctx, &run->config.model);
    tern_params_freeze(run->ctx);
    if (!tern_run_path(path, "best.safetensors", file, error))
        return false;
    if (!tern_checkpoint_load(run->ctx, file, NULL, NULL))
        return tern_error_set(error, tern_ctx_error(run->ctx)->code, "%s",
                              tern_ctx_error(run->ctx)->message);
    return true;
}

bool tern_run_open(const char *path, const char *device, int threads, tern_loaded_run *run,
                   tern_error *error)
{
    *run = (tern_loaded_run){ 0 };
    if (!tern_run_config_load(path, &run->config, error))
        return false;
    run->ctx = tern_run_ctx(device, threads, run->config.train.seed, error);
    if (!run->ctx || !load_model(path, run, error)) {
        tern_run_close(run);
        return false;
    }
    return true;
}

void tern_run_close(tern_loaded_run *run)
{
    tern_classifier_free(run->model);
    tern_ctx_free(run->ctx);
    tern_vocabulary_free(run->vocabulary);
    *run = (tern_loaded_run){ 0 };
}
