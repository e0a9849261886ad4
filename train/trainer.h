/* Training a classifier from a manifest to a run folder.
 *
 * An epoch: every training batch forward, backward, a step of the optimiser
 * (train/optimiser.h); then the validation split, by the average of the weights where
 * there is one; then a line in metrics.jsonl and the checkpoints.  A run that
 * is resumed at the epoch where it stopped ends with the same bits, however it
 * stopped: each file is replaced whole, last.safetensors after all others, and what
 * they say of an epoch that it does not know is dropped.
 */
#ifndef TERN_TRAIN_TRAINER_H
#define TERN_TRAIN_TRAINER_H

#include "core/observer.h"
#include "train/options.h"
#include "train/run.h"

/* What is told while training; for progress bars. */
typedef struct tern_progress {
    int64_t epoch, epochs;    /* epoch in progress, from 1                  */
    int64_t batch, batches;   /* of this epoch                              */
    double loss;              /* mean of the epoch so far                   */
    double seconds;           /* since training began                       */
    bool epoch_done;          /* then the following are set                 */
    double valid_loss, valid_accuracy, valid_uar, valid_macro_f1, valid_auc;
    bool best;                /* the best epoch so far                      */
} tern_progress;

typedef struct tern_trainer_opts {
    const char *data;         /* manifest; with resume it may be NULL: the
                                 run's, else it must have the same content  */
    const char *run;          /* folder to make; an abandoned run, which holds
                                 config.json and vocabulary.txt and nothing
                                 else, is begun anew                        */
    const char *device;       /* default cpu                                */
    int threads;              /* 0: one per core                            */
    bool resume;              /* go on with RUN where it stopped; then model
                                 and training options come from the run     */
    bool allow_shared_speakers;
    const char *const *init;  /* runs whose encoders a new run starts from: each
                                 modality from the first one that has it     */
    int init_count;
    int64_t stop_after;       /* epochs of this call; 0: all (for tests)    */
    tern_model_config model;  /* classes and vocabulary are filled in       */
    tern_train_opts train;
    void (*progress)(const tern_progress *progress, void *user);
    bool (*stop)(void *user); /* asked after every step: true ends the call, in
                                 good order, with what the last epoch left     */
    void *user;
    const tern_observer *observer; /* hears of every kernel; may be NULL */
} tern_trainer_opts;

typedef struct tern_train_result {
    int64_t epochs, steps, best_epoch; /* that are finished and saved            */
    bool stopped;                      /* opts.stop said so                      */
    double best_uar, seconds;
    int64_t parameters;
    double flops_per_sample; /* forward; 0 if no epoch was trained          */
} tern_train_result;

/* Errors, beside those of the manifest, the media and the files: TERN_ERR_STATE if the
 * run's folder holds anything (or, with resume, nothing to go on from), TERN_ERR_DATA if the
 * manifest has changed since, or if the loss is no longer a number. */
bool tern_train(const tern_trainer_opts *opts, tern_train_result *result, tern_error *error);

#endif
