/* See paired_set.h. */
#include "tests/paired_set.h"

#include "datasets/file.h"
#include "tests/check.h"
#include "tests/tiny_media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const face_folders[CLASSES] = { "anger", "Disgust", "fear",    "happy",
                                                   "neutral", "sad",   "surprise" };
const int ravdess_emotion[CLASSES] = { 5, 7, 6, 3, 1, 4, 8 };
char faces[TEMPORARY_PATH_BYTES], audio[TEMPORARY_PATH_BYTES], text[TEMPORARY_PATH_BYTES],
    out[TEMPORARY_PATH_BYTES];

static void make_face(const char *name, int height, int width)
{
    char path[TEMPORARY_PATH_BYTES];
    assert_true(tiny_flat_png(temporary_path(path, test_folder, name), height, width, 1, 9));
}

static void make_faces(void)
{
    char name[128];
    for (int label = 0; label < CLASSES; label++)
        for (int i = 0; i < FACES; i++) {
            snprintf(name, sizeof name, "faces/%s/%02d.png", face_folders[label], i);
            make_face(name, 2 + label, 2 + i);
        }
    /* 00 and its copy in the same class; a picture that is both sad and surprised. */
    make_face("faces/sad/copy.png", 2 + 5, 2);
    make_face("faces/sad/both.png", 20, 20);
    make_face("faces/surprise/both.png", 20, 20);
    /* A class that is none of the seven. */
    make_face("faces/contempt/1.png", 3, 3);
}

static void make_sound(const char *name)
{
    char path[TEMPORARY_PATH_BYTES];
    assert_true(tiny_sound(temporary_path(path, test_folder, name), 16000, 64, 1));
}

static void make_audio(void)
{
    char name[128];
    for (int actor = 1; actor <= ACTORS; actor++)
        for (int label = 0; label < CLASSES; label++)
            for (int take = 1; take <= 2; take++) {
                snprintf(name, sizeof name, "audio/Actor_%02d/03-01-%02d-01-01-%02d-%02d.wav",
                         actor, ravdess_emotion[label], take, actor);
                make_sound(name);
            }
    make_sound("audio/Actor_01/03-01-02-01-01-01-01.wav"); /* calm       */
    make_sound("audio/Actor_01/03-02-05-01-01-01-01.wav"); /* song       */
    make_sound("audio/Actor_01/01-01-05-01-01-01-01.wav"); /* from video */
    make_sound("audio/Actor_09/03-01-05-01-01-01-09.wav"); /* of no split */
    make_sound("audio/notes.wav");
}

static void make_text(void)
{
    char lines[8192] = "", path[TEMPORARY_PATH_BYTES];
    size_t at = 0;
    for (int label = 0; label < CLASSES; label++)
        for (int i = 0; i < SENTENCES; i++)
            at += (size_t)snprintf(lines + at, sizeof lines - at, "Class %d says %d\t%d\tid\n",
                                   label, i, label);
    strcat(lines, "\"She said \"\"no\"\" \"\t5\tid\n"  /* quoted                        */
                  "class 6  SAYS 3\t6\tid\n"           /* a copy but for case and space */
                  "I am both\t3\tid\n"
                  "i am BOTH\t5\tid\n"                 /* contradicts the one before    */
                  "many labels\t1,2\tid\n");
    static const char labels[] = "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise";
    assert_true(temporary_file(path, test_folder, "set_labels.txt", labels, sizeof labels - 1));
    assert_true(temporary_file(text, test_folder, "set_train.tsv", lines, strlen(lines)));
}

int paired_sources_make(void **state)
{
    if (test_folder_make(state) != 0)
        return -1;
    make_faces();
    make_audio();
    make_text();
    temporary_path(faces, test_folder, "faces");
    temporary_path(audio, test_folder, "audio");
    temporary_path(out, test_folder, "out");
    return 0;
}

tern_paired_opts paired_options(void)
{
    return (tern_paired_opts){
        .out = out, .faces = faces, .audio = audio, .text = text,
        .train_actors = "1-2", .valid_actors = "3", .test_actors = "4",
        .valid_fraction = 0.2, .test_fraction = 0.3, .valid_pairs = 14, .test_pairs = 42,
    };
}

tern_clips *paired_write_and_read(tern_paired_opts opts, tern_paired_counts *counts)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    temporary_folder_remove(out);
    if (!tern_paired_write(opts, counts, &error))
        fail_msg("%s", error.message);
    tern_clips *clips = tern_manifest_read(temporary_path(path, test_folder, "out/manifest.tsv"),
                                           (tern_manifest_opts){ 0 }, &error);
    if (!clips)
        fail_msg("%s", error.message);
    return clips;
}

char *paired_manifest_rows(void)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    temporary_path(path, test_folder, "out/manifest.tsv");
    char *manifest = tern_file_read_text(path, &error);
    assert_non_null(manifest);
    char *rows = strstr(manifest, "id\tsplit");
    memmove(manifest, rows, strlen(rows) + 1);
    return manifest;
}
