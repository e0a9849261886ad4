/* The three unimodal sources of `paired`, as lists of items. */
#ifndef TERN_DATASETS_PAIRED_SOURCES_H
#define TERN_DATASETS_PAIRED_SOURCES_H

#include "datasets/clips.h"

typedef struct paired_item {
    char *name;   /* for its id: "angry-0001", "03-01-05-01-01-01-12", "17" */
    char *media;  /* path of a face or a sound; the sentence                */
    int label;
    int actor;    /* of a sound                                             */
    uint64_t hash; /* of a face's bytes or a sentence's words               */
    bool in_test_file; /* a sentence from the test file                     */
    bool dropped; /* a duplicate, or an actor of no split                   */
    tern_split split;
} paired_item;

typedef struct paired_list {
    int64_t count, room;
    paired_item *item;
    int64_t others; /* found but not of the seven classes (or song, several labels) */
} paired_list;

void tern_paired_list_free(paired_list *list);

/* Index of a class name as any of the three sources spells it ("anger", "fearful",
 * "Happy" ...), -1 if it is none of the seven. */
int tern_paired_class_find(const char *name);

/* folder/CLASS/NAME.png */
bool tern_paired_read_faces(const char *folder, paired_list *list, tern_error *error);
/* folder/.../MM-CC-EE-II-SS-RR-AA.wav or .flac: modality 03 (sound), channel 01
 * (speech), calm left out. */
bool tern_paired_read_audio(const char *folder, paired_list *list, tern_error *error);
/* SENTENCE <tab> LABELS <tab> ..., appended to the list; LABELS are numbers of lines
 * of the labels file, from 0, or names, with commas between.  Only sentences with
 * one label are taken. */
bool tern_paired_read_text(const char *path, const char *labels_path, bool is_test_file,
                           paired_list *list, tern_error *error);

#endif
