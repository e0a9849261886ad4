/* What the parts of `paired` share: paired.c reads options and sources and writes,
 * paired_split.c cuts the sources into splits, paired_join.c makes the clips. */
#ifndef TERN_DATASETS_PAIRED_PRIVATE_H
#define TERN_DATASETS_PAIRED_PRIVATE_H

#include "datasets/batch.h"
#include "datasets/paired.h"
#include "datasets/paired_sources.h"

enum { HIGHEST_ACTOR = 99, CLASSES = TERN_PAIRED_CLASSES };

typedef struct paired_job {
    tern_paired_opts opts;              /* defaults filled in    */
    int actor_split[HIGHEST_ACTOR + 1]; /* a tern_split, -1: none */
    paired_list list[TERN_MODALITY_COUNT];
    tern_paired_counts counts;
    tern_clips *clips;
    tern_error *error;
} paired_job;

extern const char *const tern_paired_item_names[TERN_MODALITY_COUNT]; /* for messages */

/* Drop duplicates and give every item its split; counts them. */
bool tern_paired_make_splits(paired_job *job);

/* Fixed pairs for test and valid, pools for train. */
bool tern_paired_make_clips(paired_job *job);

#endif
