/* How a run is trained.  Written to the run's config.json beside the model, under the
 * names by which `tern train --set` knows the options. */
#ifndef TERN_TRAIN_OPTIONS_H
#define TERN_TRAIN_OPTIONS_H

#include "models/config.h"

#include <stdbool.h>

/* Numbers by name: lr_scale.face=0.1 and lr_scale.*.bias=2 are two numbers of lr_scale,
 * class_weight.sad=3 is one of class_weight. */
enum { TERN_MAX_NAMED = 16, TERN_NAMED_BYTES = 96, TERN_FREEZE_BYTES = 256 };
typedef struct tern_named_number {
    char name[TERN_NAMED_BYTES];
    double value;
} tern_named_number;
typedef struct tern_named_numbers {
    int count;
    tern_named_number at[TERN_MAX_NAMED]; /* in the order in which they were given */
} tern_named_numbers;

typedef enum tern_train_loss { TERN_LOSS_CROSS_ENTROPY, TERN_LOSS_FOCAL } tern_train_loss;

typedef struct tern_train_opts {
    int64_t epochs;          /* default 20                                            */
    int64_t batch;           /* rows a step; default 32                               */
    uint64_t seed;           /* of initialisation, order, augmentation, dropout       */

    int64_t optimizer;       /* tern_optimiser_kind; default adamw                    */
    double lr;               /* peak learning rate; default 1e-3                      */
    double weight_decay;     /* default 0.01                                          */
    double beta1, beta2;     /* adamw, adam; defaults 0.9 and 0.999                   */
    double eps;              /* adamw, adam; default 1e-8                             */
    double momentum;         /* sgd; default 0                                        */
    bool nesterov;           /* sgd                                                   */
    double clip;             /* largest gradient norm; default 1; 0: any              */
    double ema;              /* how much of the average of weights stays; 0: no average */

    /* Names of parameters as in core/params.h, separated by commas in freeze. */
    char freeze[TERN_FREEZE_BYTES];
    tern_named_numbers lr_scale;    /* what lr is multiplied by                        */
    tern_named_numbers group_decay; /* weight_decay.NAME: instead of weight_decay      */

    double warmup;           /* part of all steps; default 0.05                       */
    int64_t schedule;        /* tern_schedule_kind of the learning rate; default cosine */
    double lr_factor;        /* what step and plateau multiply lr by; default 0.1     */
    int64_t lr_every;        /* step: epochs between two drops; default 10            */
    int64_t patience;        /* plateau: epochs without a better loss; default 3      */

    int64_t loss;            /* tern_train_loss; default cross_entropy                */
    double label_smoothing;  /* cross_entropy; default 0                              */
    double gamma;            /* focal; default 2                                      */
    bool balance;            /* weight classes by one over their share                */
    tern_named_numbers class_weight; /* by the class's name; default 1 each, or what
                                        balance makes of it, which this multiplies   */
    double auxiliary;        /* weight of each encoder's own loss; default 0.3        */

    double modality_dropout; /* chance to hide a modality of a sample from the fusion;
                                default 0                                             */
    double augment;          /* strength of augmentation: 0 none, 1 standard, up to 4: beyond
                                that contrast would be inverted                       */
} tern_train_opts;

tern_train_opts tern_train_opts_default(void);
/* Check ranges, and that each option has something to act on (momentum needs sgd); an
 * error names the option. */
bool tern_train_opts_resolve(tern_train_opts *opts, tern_error *error);
/* Set one option from text ("lr", "3e-4"); unknown names suggest the nearest. */
bool tern_train_opts_set(tern_train_opts *opts, const char *name, const char *value,
                         tern_error *error);
/* For --help: option i, from 0, with its default ("lr=0.001"), and what it does; false
 * after the last. */
enum { TERN_OPTION_TEXT = 48 };
bool tern_train_option_help(int i, char text[TERN_OPTION_TEXT], const char **doc);

json_t *tern_train_opts_to_json(const tern_train_opts *opts);
/* The configurations of older runs lack options that are newer: their defaults. */
bool tern_train_opts_from_json(const json_t *json, tern_train_opts *opts, tern_error *error);

#endif
