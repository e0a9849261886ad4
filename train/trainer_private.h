/* What the parts of the trainer share: trainer_prepare.c, trainer_build.c, trainer.c. */
#ifndef TERN_TRAIN_TRAINER_PRIVATE_H
#define TERN_TRAIN_TRAINER_PRIVATE_H

#include "datasets/loader.h"
#include "train/checkpoint.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/trainer.h"

#include <time.h>

typedef struct trainer {
    const tern_trainer_opts *opts;
    tern_run_config config;
    tern_clips *clips;
    tern_vocabulary *vocabulary;
    tern_ctx *ctx;
    tern_classifier *model;
    tern_loader *train, *valid;
    float *class_weight;            /* [classes], or NULL */
    tern_checkpoint_info at;        /* how far the run is */
    tern_optimiser optimiser;
    tern_schedule schedule;
    tern_plateau plateau;           /* of a schedule that waits for the loss */
    struct timespec begun;
    tern_error *error;
} trainer;

/* Everything that comes before the first step: data, vocabulary, loaders, model, and,
 * when nothing can be wrong with them any more, the run's folder.  opts and error are
 * set; what is made is freed by tern_trainer_close, also after a failure. */
bool tern_trainer_prepare(trainer *t);
/* Of that, once the loaders are there: model, class weights, optimiser and schedule, and
 * what a resumed run had come to. */
bool tern_trainer_build(trainer *t);
void tern_trainer_close(trainer *t);

/* True if the context has no error; else it is passed on. */
bool tern_trainer_pass_error(trainer *t);

#endif
