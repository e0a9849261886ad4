/* A run: the folder that training fills and everything later reads.
 *
 *   config.json         model, training options, data set and its fingerprint, version
 *   vocabulary.txt      if the model reads text
 *   metrics.jsonl       one line an epoch
 *   best.safetensors    the parameters with the best validation UAR: their average, if the
 *                       run keeps one
 *   last.safetensors    parameters, optimiser and average after the last finished epoch
 */
#ifndef TERN_TRAIN_RUN_H
#define TERN_TRAIN_RUN_H

#include "datasets/text.h"
#include "models/classifier.h"
#include "train/options.h"

enum { TERN_PATH_BYTES = 4096 };

typedef struct tern_run_config {
    tern_model_config model;
    tern_train_opts train;
    char data[TERN_PATH_BYTES]; /* the manifest; in the file absolute  */
    char data_hash[17];         /* 64-bit FNV-1a of the manifest, hex  */
} tern_run_config;

/* RUN/name, checked for length. */
bool tern_run_path(const char *run, const char *name, char *path, tern_error *error);
bool tern_run_config_save(const char *run, const tern_run_config *config, tern_error *error);
bool tern_run_config_load(const char *run, tern_run_config *config, tern_error *error);
/* Fingerprint of a manifest's bytes. */
bool tern_run_hash_file(const char *path, char hash[17], tern_error *error);

/* A context to train or predict in, on a device (NULL: cpu) that computes. */
tern_ctx *tern_run_ctx(const char *device, int threads, uint64_t seed, tern_error *error);

/* A trained model, ready to predict and for nothing else: tern_set_inference_only. */
typedef struct tern_loaded_run {
    tern_run_config config;
    tern_ctx *ctx;
    tern_classifier *model;
    tern_vocabulary *vocabulary; /* NULL without text */
} tern_loaded_run;

/* Open a run's best checkpoint on a device.  On failure *run is empty. */
bool tern_run_open(const char *path, const char *device, int threads, tern_loaded_run *run,
                   tern_error *error);
void tern_run_close(tern_loaded_run *run);

#endif
