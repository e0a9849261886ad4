/* How a run is trained.  Written to the run's config.json beside the model. */
#ifndef TERN_TRAIN_OPTIONS_H
#define TERN_TRAIN_OPTIONS_H

#include "models/config.h"

#include <stdbool.h>

typedef struct tern_train_opts {
    int64_t epochs;          /* default 20                                            */
    int64_t batch;           /* rows a step; default 32                               */
    uint64_t seed;           /* of initialisation, order, augmentation, dropout       */
    double lr;               /* peak learning rate; default 1e-3                      */
    double weight_decay;     /* default 0.01                                          */
    double warmup;           /* part of all steps; default 0.05                       */
    int64_t schedule;        /* tern_schedule_kind of the learning rate; default cosine */
    double lr_factor;        /* what step and plateau multiply lr by; default 0.1     */
    int64_t lr_every;        /* step: epochs between two drops; default 10            */
    int64_t patience;        /* plateau: epochs without a better loss; default 3      */
    double clip;             /* largest gradient norm; default 1                      */
    double label_smoothing;  /* default 0                                             */
    double auxiliary;        /* weight of each encoder's own loss; default 0.3        */
    double modality_dropout; /* chance to hide a modality of a sample; default 0      */
    double augment;          /* strength of augmentation: 0 none, 1 standard          */
    bool balance;            /* weight classes by one over their share                */
} tern_train_opts;

tern_train_opts tern_train_opts_default(void);
/* Check the ranges; an error names the field. */
bool tern_train_opts_resolve(tern_train_opts *opts, tern_error *error);
/* Set one field from text ("lr", "3e-4"); unknown names suggest the nearest. */
bool tern_train_opts_set(tern_train_opts *opts, const char *name, const char *value,
                         tern_error *error);
json_t *tern_train_opts_to_json(const tern_train_opts *opts);
bool tern_train_opts_from_json(const json_t *json, tern_train_opts *opts, tern_error *error);

#endif
