/* `paired`: a trimodal data set made of three unimodal ones, joined on the label.
 *
 *   faces   FOLDER/CLASS/NAME.png                    (FER-2013 and its like)
 *   audio   FOLDER/.../MM-CC-EE-II-SS-RR-AA.wav|flac (RAVDESS speech)
 *   text    SENTENCE <tab> LABELS <tab> ID           (GoEmotions)
 *
 * Seven classes: angry, disgust, fear, happy, neutral, sad, surprise.  Face,
 * voice and sentence of a sample share nothing but the label, so given the label
 * they are independent: averaging three models' log-probabilities is the best
 * fusion there can be, which makes the set a yardstick for fusions.
 *
 * Written is a folder with README.txt, which says how the set was made, and
 * manifest.tsv; media stay where they are.  How the pools of the training split are
 * expressed: docs/data.md.
 */
#ifndef TERN_DATASETS_PAIRED_H
#define TERN_DATASETS_PAIRED_H

#include "core/error.h"

#include <stdint.h>

/* In tern_paired_write, zero stands for the default. */
typedef struct tern_paired_opts {
    const char *out;         /* folder to make                                       */
    const char *faces, *audio;
    const char *text;        /* GoEmotions TSV                                       */
    const char *text_test;   /* its own test file; NULL: cut from text               */
    const char *text_labels; /* label names, one a line; NULL: the file beside text
                                whose name has `labels.txt` for `train.tsv`          */
    const char *train_actors, *valid_actors, *test_actors; /* "1-12", lists "1,3,5-7" */
    double valid_fraction, test_fraction; /* of images and sentences                 */
    int valid_pairs, test_pairs; /* in all, as many for each class; at most
                                TERN_PAIRED_MAX_PAIRS                                */
    int64_t epoch_samples;   /* drawn from the training pools; 0: the loader's choice */
    uint64_t seed;           /* of the pairing; the splits do not depend on it       */
} tern_paired_opts;

enum { TERN_PAIRED_MAX_PAIRS = 1000000 };

/* What was found, for the caller to print. */
enum { TERN_PAIRED_CLASSES = 7 };
typedef struct tern_paired_counts {
    /* [split][class] */
    int64_t faces[3][TERN_PAIRED_CLASSES], audio[3][TERN_PAIRED_CLASSES],
        text[3][TERN_PAIRED_CLASSES];
    int64_t pairs[3][TERN_PAIRED_CLASSES];
    int64_t faces_dropped, text_dropped; /* duplicates                          */
    int64_t text_other;  /* sentences with several labels or none of the seven  */
    int64_t audio_other; /* calm, song, actors of no split                      */
    bool was_there;      /* the folder held this very set: nothing was written  */
} tern_paired_counts;

extern const char *const tern_paired_class_names[TERN_PAIRED_CLASSES + 1];

/* The defaults; the sources and the folder are left to be said. */
tern_paired_opts tern_paired_opts_default(void);

/* counts may be NULL.  A folder with the finished set of the same options and sources is
 * left as it is, an unfinished one is made anew; a folder with anything else in it is
 * refused with TERN_ERR_STATE. */
bool tern_paired_write(tern_paired_opts opts, tern_paired_counts *counts, tern_error *error);

#endif
