/* A data set of three classes and three modalities that trains in a moment: grey faces of
 * 16 x 16 that are brighter, sounds of 0.3 s that are higher and sentences whose words
 * differ by class, each of them only roughly. */
#ifndef TERN_TESTS_TINY_SET_H
#define TERN_TESTS_TINY_SET_H

#include "temporary_folder.h"

#include "train/trainer.h"

enum { TINY_CLASSES = 3 };
extern const char *const tiny_classes[TINY_CLASSES];

typedef struct tiny_set {
    const char *name;       /* of the manifest; its media lie in the folder NAME.media    */
    int rows[3];            /* of train, valid and test                                   */
    const char *last_class; /* instead of tiny_classes[2]; NULL: that                     */
} tiny_set;

/* Make it in a folder; the manifest's path goes into `manifest`.  Each split has two
 * speakers of its own, and so has each name. */
bool tiny_set_make(const tiny_set *set, const char *folder, char manifest[TEMPORARY_PATH_BYTES]);

/* The smallest model that such a set trains, with everything random turned on: dropout,
 * augmentation and modality dropout. */
tern_trainer_opts tiny_training(const char *manifest, const char *run);

#endif
