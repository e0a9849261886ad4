/* A data set in memory: its list of clips, without their media.
 *
 * A clip is one sample: up to three modalities that belong together and one
 * label.  A modality that is missing is NULL.
 *
 * A split may be UNPAIRED (manifest directive `#! unpaired train`): its rows are
 * then no samples but pools, one for each modality, and the loader draws for
 * each sample a face, a sound and a sentence of one label from them.
 */
#ifndef TERN_DATASETS_CLIPS_H
#define TERN_DATASETS_CLIPS_H

#include "core/error.h"

#include <stdint.h>

typedef enum tern_split { TERN_TRAIN = 0, TERN_VALID, TERN_TEST, TERN_SPLIT_COUNT } tern_split;

/* "train", "valid", "test", NULL */
extern const char *const tern_split_names[TERN_SPLIT_COUNT + 1];

typedef struct tern_clip {
    const char *id;      /* unique                                             */
    tern_split split;
    const char *speaker; /* NULL: unknown                                      */
    int label;           /* index into class_names                             */
    const char *face;    /* a PNG, or a folder of PNG frames in name order     */
    const char *audio;   /* a sound file                                       */
    const char *text;    /* the sentence itself, UTF-8                         */
} tern_clip;

typedef struct tern_clips {
    int64_t count;
    tern_clip *clip;
    int classes;
    const char **class_names;
    bool train_unpaired;   /* the train rows are pools                          */
    int64_t epoch_samples; /* samples drawn from the pools in an epoch; 0: the
                              loader's default                                  */
    struct tern_clips_store *store; /* owns the strings                         */
} tern_clips;

/* An empty list; NULL when memory is out. */
tern_clips *tern_clips_new(tern_error *error);
void tern_clips_free(tern_clips *clips);

/* Append a clip; its strings are copied, empty ones become NULL. */
bool tern_clips_append(tern_clips *clips, const tern_clip *clip, tern_error *error);
/* Set the class names (copied). */
bool tern_clips_set_classes(tern_clips *clips, const char *const *names, int count,
                            tern_error *error);

int64_t tern_clips_in_split(const tern_clips *clips, tern_split split);
/* The split of a name, -1 if there is none. */
int tern_split_find(const char *name);

#endif
