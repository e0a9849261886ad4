/* Three small unimodal sources, to be joined on the label, and the set that is made of them. */
#ifndef TERN_TESTS_PAIRED_SET_H
#define TERN_TESTS_PAIRED_SET_H

#include "datasets/manifest.h"
#include "datasets/paired.h"
#include "tests/temporary_folder.h"

/* Per class: ten faces, two sounds of each of the actors 1 to 4, ten sentences. */
enum { CLASSES = TERN_PAIRED_CLASSES, FACES = 10, SENTENCES = 10, ACTORS = 4 };

/* By class: the folder of its faces, its number in RAVDESS's file names. */
extern const char *const face_folders[CLASSES];
extern const int ravdess_emotion[CLASSES];

/* What the set-up of a group of tests makes in test_folder; `out` is not there yet. */
extern char faces[TEMPORARY_PATH_BYTES], audio[TEMPORARY_PATH_BYTES], text[TEMPORARY_PATH_BYTES],
    out[TEMPORARY_PATH_BYTES];
int paired_sources_make(void **state);

tern_paired_opts paired_options(void);
/* Into a new folder; the running test fails on an error. */
tern_clips *paired_write_and_read(tern_paired_opts opts, tern_paired_counts *counts);
/* Of the set in `out`; to be freed. */
char *paired_manifest_rows(void);

#endif
