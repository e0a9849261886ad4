/* The run folder; see run.h. */
#include "train/run.h"

#include "core/params.h"
#include "kernels/table.h"
#include "train/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    int byte;
    FILE *file = fopen(path, "rb");
    if (!file)
        return tern_error_set(error, TERN_ERR_IO, "%s: %s", path, strerror(errno));
    while ((byte = getc(file)) != EOF)
        value = (value ^ (unsigned char)byte) * 0x100000001B3u;
    bool ok = !ferror(file);
    fclose(file);
    if (!ok)
        return tern_error_set(error, TERN_ERR_IO, "%s: it cannot be read", path);
    snprintf(hash, 17, "%016llx", (unsigned long long)value);
    return true;
}

bool tern_run_config_save(const char *run, const tern_run_config *config, tern_error *error)
{
    char path[TERN_PATH_BYTES], temporary[TERN_PATH_BYTES];
    if (mkdir(run, 0777) != 0 && errno != EEXIST)
        return tern_error_set(error, TERN_ERR_IO, "cannot make folder %s: %s", run,
                              strerror(errno));
    if (!tern_run_path(run, "config.json", path, error) ||
        !tern_run_path(run, "config.json.part", temporary, error))
        return false;
    json_t *data = json_pack("{s:s, s:s}", "manifest", config->data, "fnv1a64", config->data_hash);
    json_t *json = json_pack("{s:s, s:o, s:o, s:o}", "tern", TERN_VERSION, "model",
                             tern_model_config_to_json(&config->model), "train",
                             tern_train_opts_to_json(&config->train), "data", data);
    bool ok = json && json_dump_file(json, temporary, JSON_INDENT(2)) == 0 &&
              rename(temporary, path) == 0;
    json_decref(json);
    return ok || tern_error_set(error, TERN_ERR_IO, "cannot write %s: %s", path, strerror(errno));
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
    const json_t *data = json_object_get(json, "data");
    const char *manifest = json_string_value(json_object_get(data, "manifest"));
    const char *hash = json_string_value(json_object_get(data, "fnv1a64"));
    bool ok = tern_model_config_from_json(json_object_get(json, "model"), &config->model, error) &&
              tern_train_opts_from_json(json_object_get(json, "train"), &config->train, error);
    if (ok && (!manifest || !hash || strlen(manifest) >= sizeof config->data || strlen(hash) != 16))
        ok = tern_error_set(error, TERN_ERR_FORMAT, "\"data\" needs manifest and fnv1a64");
    if (ok) {
        memcpy(config->data, manifest, strlen(manifest) + 1);
        memcpy(config->data_hash, hash, 17);
    } else {
        tern_error_prefix(error, "%s", path);
    }
    json_decref(json);
    return ok;
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
    run->model = tern_classifier_new(run->ctx, &run->config.model);
    tern_params_freeze(run->ctx);
    if (!tern_run_path(path, "best.safetensors", file, error))
        return false;
    if (!tern_checkpoint_load(run->ctx, file, false, NULL))
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
    run->ctx = tern_open((tern_ctx_opts){ .device = device, .threads = threads,
                                          .seed = run->config.train.seed }, error);
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
