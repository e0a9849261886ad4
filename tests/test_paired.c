/* `paired`: three small unimodal sources made here, joined on the label. */
#include "datasets/file.h"
#include "datasets/manifest.h"
#include "datasets/paired.h"
#include "temporary_folder.h"
#include "tiny_media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Per class: ten faces, two sounds of each of the actors 1 to 4, ten sentences. */
enum { CLASSES = TERN_PAIRED_CLASSES, FACES = 10, SENTENCES = 10, ACTORS = 4 };

static const char *const face_folders[CLASSES] = { "anger", "Disgust", "fear",    "happy",
                                                   "neutral", "sad",   "surprise" };
static const int ravdess_emotion[CLASSES] = { 5, 7, 6, 3, 1, 4, 8 };
static char folder[TEMPORARY_PATH_BYTES], faces[TEMPORARY_PATH_BYTES], audio[TEMPORARY_PATH_BYTES],
    text[TEMPORARY_PATH_BYTES], out[TEMPORARY_PATH_BYTES];

static void make_faces(void)
{
    char name[128], path[TEMPORARY_PATH_BYTES];
    for (int label = 0; label < CLASSES; label++)
        for (int i = 0; i < FACES; i++) {
            snprintf(name, sizeof name, "faces/%s/%02d.png", face_folders[label], i);
            assert_true(tiny_flat_png(temporary_path(path, folder, name), 2 + label, 2 + i, 1, 9));
        }
    /* 00 and its copy in the same class; a picture that is both sad and surprised. */
    assert_true(tiny_flat_png(temporary_path(path, folder, "faces/sad/copy.png"), 2 + 5, 2, 1, 9));
    assert_true(tiny_flat_png(temporary_path(path, folder, "faces/sad/both.png"), 20, 20, 1, 9));
    assert_true(
        tiny_flat_png(temporary_path(path, folder, "faces/surprise/both.png"), 20, 20, 1, 9));
    /* A class that is none of the seven. */
    assert_true(tiny_flat_png(temporary_path(path, folder, "faces/contempt/1.png"), 3, 3, 1, 9));
}

static void make_sound(const char *name)
{
    char path[TEMPORARY_PATH_BYTES];
    assert_true(tiny_sound(temporary_path(path, folder, name), 16000, 64, 1));
}

static void make_audio(void)
{
    char name[128];
    for (int actor = 1; actor <= ACTORS; actor++)
        for (int label = 0; label < CLASSES; label++)
            for (int take = 1; take <= 2; take++) {
                snprintf(name, sizeof name, "audio/Actor_%02d/03-01-%02d-01-01-%02d-%02d.wav", actor,
                         ravdess_emotion[label], take, actor);
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
    assert_true(temporary_file(path, folder, "set_labels.txt", labels, sizeof labels - 1));
    assert_true(temporary_file(text, folder, "set_train.tsv", lines, strlen(lines)));
}

static int make_sources(void **state)
{
    (void)state;
    if (!temporary_folder_make(folder))
        return -1;
    make_faces();
    make_audio();
    make_text();
    temporary_path(faces, folder, "faces");
    temporary_path(audio, folder, "audio");
    temporary_path(out, folder, "out");
    return 0;
}

static int remove_sources(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static tern_paired_opts options(void)
{
    return (tern_paired_opts){
        .out = out, .faces = faces, .audio = audio, .text = text,
        .train_actors = "1-2", .valid_actors = "3", .test_actors = "4",
        .valid_fraction = 0.2, .test_fraction = 0.3, .valid_pairs = 14, .test_pairs = 42,
    };
}

/* Into a new folder. */
static tern_clips *write_and_read(tern_paired_opts opts, tern_paired_counts *counts)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    temporary_folder_remove(out);
    if (!tern_paired_write(opts, counts, &error))
        fail_msg("%s", error.message);
    tern_clips *clips = tern_manifest_read(temporary_path(path, folder, "out/manifest.tsv"),
                                           (tern_manifest_opts){ 0 }, &error);
    if (!clips)
        fail_msg("%s", error.message);
    return clips;
}

static void the_sources_are_counted_and_cleaned(void **state)
{
    (void)state;
    tern_paired_counts counts;
    tern_clips *clips = write_and_read(options(), &counts);
    for (int label = 0; label < CLASSES; label++) {
        assert_int_equal(counts.faces[TERN_TEST][label], 3);
        assert_int_equal(counts.faces[TERN_VALID][label], 2);
        assert_int_equal(counts.faces[TERN_TRAIN][label], 5);
        assert_int_equal(counts.audio[TERN_TRAIN][label], 4);
        assert_int_equal(counts.audio[TERN_TEST][label], 2);
        assert_int_equal(counts.pairs[TERN_TEST][label], 6);
        assert_int_equal(counts.pairs[TERN_VALID][label], 2);
    }
    assert_int_equal(counts.text[TERN_TRAIN][0], 5);
    assert_int_equal(counts.text[TERN_TRAIN][5], 11 - 3 - 2);
    assert_int_equal(counts.faces_dropped, 3); /* copy.png, both.png twice            */
    assert_int_equal(counts.text_dropped, 3);  /* one copy, one contradiction         */
    assert_int_equal(counts.text_other, 1);
    assert_int_equal(counts.audio_other, 4);   /* calm, song, from video, of no split */
    assert_int_equal(clips->classes, CLASSES);
    assert_true(clips->train_unpaired);
    assert_int_equal(tern_clips_in_split(clips, TERN_TEST), 42);
    assert_int_equal(tern_clips_in_split(clips, TERN_VALID), 14);
    assert_int_equal(tern_clips_in_split(clips, TERN_TRAIN), CLASSES * (5 + 4 + 5) + 1);
    for (int64_t i = 0; i < clips->count; i++)
        if (clips->clip[i].text && strstr(clips->clip[i].text, "She said"))
            assert_string_equal(clips->clip[i].text, "She said \"no\" ");
    tern_clips_free(clips);
}

/* Does a path or sentence speak of the class? */
static void assert_is_of_class(const tern_clip *clip)
{
    char part[64];
    if (clip->face) {
        snprintf(part, sizeof part, "faces/%s/", face_folders[clip->label]);
        assert_non_null(strstr(clip->face, part));
    }
    if (clip->audio) {
        snprintf(part, sizeof part, "/03-01-%02d-", ravdess_emotion[clip->label]);
        assert_non_null(strstr(clip->audio, part));
    }
    if (clip->text && strncmp(clip->text, "She", 3) != 0)
        assert_int_equal(clip->text[6] - '0', clip->label);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void splits_share_no_face_no_actor_and_no_sentence(void **state)
{
    (void)state;
    tern_clips *clips = write_and_read(options(), NULL);
    for (int64_t i = 0; i < clips->count; i++) {
        const tern_clip *a = &clips->clip[i];
        assert_is_of_class(a);
        for (int64_t j = 0; j < i; j++) {
            const tern_clip *b = &clips->clip[j];
            if (a->split == b->split)
                continue;
            assert_false(same(a->face, b->face));
            assert_false(same(a->audio, b->audio));
            assert_false(same(a->text, b->text));
            assert_false(same(a->speaker, b->speaker));
        }
    }
    tern_clips_free(clips);
}

static void pairs_use_every_item_before_one_comes_again(void **state)
{
    (void)state;
    tern_clips *clips = write_and_read(options(), NULL);
    for (int64_t i = 0; i < clips->count; i++) {
        int face_uses = 0, audio_uses = 0, text_uses = 0;
        const tern_clip *a = &clips->clip[i];
        if (a->split != TERN_TEST)
            continue;
        assert_string_equal(a->speaker, "actor-04");
        for (int64_t j = 0; j < clips->count; j++) {
            face_uses += same(a->face, clips->clip[j].face);
            audio_uses += same(a->audio, clips->clip[j].audio);
            text_uses += same(a->text, clips->clip[j].text);
        }
        assert_int_equal(face_uses, 2);  /* 6 pairs from 3 faces */
        assert_int_equal(audio_uses, 3); /* from 2 sounds        */
        assert_int_equal(text_uses, 2);
    }
    tern_clips_free(clips);
}

static char *read_manifest_rows(void)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    char *manifest = tern_file_read_text(temporary_path(path, folder, "out/manifest.tsv"), &error);
    assert_non_null(manifest);
    char *rows = strstr(manifest, "id\tsplit");
    memmove(manifest, rows, strlen(rows) + 1);
    return manifest;
}

static void a_seed_repeats_and_another_pairs_the_same_splits_otherwise(void **state)
{
    (void)state;
    tern_paired_opts opts = options();
    tern_paired_counts counts[2];
    tern_clips_free(write_and_read(opts, &counts[0]));
    char *first = read_manifest_rows();
    tern_clips_free(write_and_read(opts, NULL));
    char *second = read_manifest_rows();
    opts.seed = 5;
    tern_clips_free(write_and_read(opts, &counts[1]));
    char *third = read_manifest_rows();
    assert_string_equal(first, second);
    assert_string_not_equal(first, third);
    /* The training pools, which stand at the end, are the same. */
    assert_string_equal(strstr(first, "\nface-"), strstr(third, "\nface-"));
    assert_memory_equal(&counts[0], &counts[1], sizeof counts[0]);
    free(first);
    free(second);
    free(third);
}

static void a_test_file_of_its_own_gives_the_test_sentences(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], lines[1024] = "";
    tern_paired_opts opts = options();
    tern_paired_counts counts;
    /* Names instead of numbers. */
    static const char *const names[CLASSES] = { "anger", "disgust", "fear",    "joy",
                                                "neutral", "sadness", "surprise" };
    for (int label = 0; label < CLASSES; label++) {
        size_t at = strlen(lines);
        snprintf(lines + at, sizeof lines - at, "class %d in the test\t%s\tid\n", label,
                 names[label]);
    }
    strcat(lines, "Class 2 says 4\tfear\tid\n"); /* also a training sentence */
    assert_true(temporary_file(path, folder, "dev.tsv", lines, strlen(lines)));
    opts.text_test = path;
    tern_clips *clips = write_and_read(opts, &counts);
    for (int label = 0; label < CLASSES; label++)
        assert_int_equal(counts.text[TERN_TEST][label], 1);
    assert_int_equal(counts.text[TERN_TRAIN][0], 8);
    for (int64_t i = 0; i < clips->count; i++)
        if (clips->clip[i].split == TERN_TEST)
            assert_non_null(strstr(clips->clip[i].text, "in the test"));
    tern_clips_free(clips);
}

static void expect_error(tern_paired_opts opts, tern_status code, const char *words)
{
    tern_error error = { 0 };
    assert_false(tern_paired_write(opts, NULL, &error));
    if (error.code != code || !strstr(error.message, words))
        fail_msg("expected \"%s\", got %s: %s", words, tern_status_name(error.code),
                 error.message);
}

static void mistakes_are_named_and_earlier_results_untouched(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    tern_clips_free(write_and_read(options(), NULL));
    char *before = read_manifest_rows();

    tern_paired_opts opts = options();
    opts.test_actors = "2-4";
    expect_error(opts, TERN_ERR_OPTION, "actor 2 is in train and in test");
    opts.test_actors = "four";
    expect_error(opts, TERN_ERR_OPTION, "test actors \"four\"");
    opts.test_actors = "8";
    expect_error(opts, TERN_ERR_DATA, "no sounds of class angry for split test");
    opts = options();
    opts.test_fraction = 0.9;
    expect_error(opts, TERN_ERR_OPTION, "0.2 valid and 0.9 test");
    opts = options();
    opts.faces = audio;
    expect_error(opts, TERN_ERR_DATA, "no faces; folders named angry");
    opts.faces = "/nowhere";
    expect_error(opts, TERN_ERR_IO, "/nowhere: No such file");
    opts = options();
    opts.audio = faces;
    expect_error(opts, TERN_ERR_DATA, "no speech");
    opts = options();
    assert_true(temporary_file(path, folder, "set_bad_train.tsv", "fine\t1\nbad\t9\n", 13));
    opts.text = path;
    expect_error(opts, TERN_ERR_IO, "set_bad_labels.txt: cannot be opened");
    char labels[TEMPORARY_PATH_BYTES];
    opts.text_labels = temporary_path(labels, folder, "set_labels.txt");
    expect_error(opts, TERN_ERR_FORMAT, "set_bad_train.tsv:2: a sentence, a tab and its label (0 to "
                                        "6, or a name) are expected, not \"9\"");
    opts = options();
    opts.text_labels = NULL;
    opts.text = faces;
    expect_error(opts, TERN_ERR_ARGUMENT, "does not end in train.tsv");
    opts = options();
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\n";
    assert_true(temporary_file(path, folder, "faces/sad/zz.png", pointer, strlen(pointer)));
    expect_error(opts, TERN_ERR_FORMAT, "zz.png: is a Git LFS pointer");
    assert_int_equal(unlink(path), 0);

    char *after = read_manifest_rows();
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* The same rule as that of the synthetic set. */
static void a_folder_with_something_else_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], readme[TEMPORARY_PATH_BYTES];
    tern_paired_counts counts;
    tern_error error = { 0 };
    tern_clips_free(write_and_read(options(), NULL));
    char *before = read_manifest_rows();
    assert_true(tern_paired_write(options(), &counts, &error));
    assert_true(counts.was_there);

    tern_paired_opts opts = options();
    opts.seed = 6;
    expect_error(opts, TERN_ERR_STATE, "out/README.txt: the set there was made with other options");
    assert_true(temporary_file(path, folder, "faces/sad/zz.png", "new", 3));
    expect_error(options(), TERN_ERR_STATE, "other options or sources");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(temporary_path(readme, folder, "out/README.txt")), 0);
    expect_error(options(), TERN_ERR_STATE, "out: holds something else already (manifest.tsv)");
    char *after = read_manifest_rows();
    assert_string_equal(before, after);
    free(before);
    free(after);

    assert_true(temporary_file(path, folder, "taken/README.txt", "years of work", 13));
    opts.out = temporary_path(path, folder, "taken");
    expect_error(opts, TERN_ERR_STATE, "taken/README.txt");
    char *kept = tern_file_read_text(temporary_path(path, folder, "taken/README.txt"), &error);
    assert_string_equal(kept, "years of work");
    free(kept);
}

static void real_sources_are_joined(void **state)
{
    (void)state;
    char real[3][TEMPORARY_PATH_BYTES];
    tern_paired_counts counts;
    if (!shared_data(real[0], "fer2013") || !shared_data(real[1], "ravdess") ||
        !shared_data(real[2], "text/goemotions_ekman_train.tsv"))
        skip();
    tern_clips *clips = write_and_read(
        (tern_paired_opts){ .out = out, .faces = real[0], .audio = real[1], .text = real[2] },
        &counts);
    int64_t face_count = counts.faces_dropped, sentences = counts.text_dropped + counts.text_other;
    for (int split = 0; split < TERN_SPLIT_COUNT; split++)
        for (int label = 0; label < CLASSES; label++) {
            int64_t actors = split == TERN_TRAIN ? 12 : split == TERN_VALID ? 2 : 4;
            int64_t takes = strcmp(tern_paired_class_names[label], "neutral") == 0 ? 4 : 8;
            assert_int_equal(counts.audio[split][label], actors * takes);
            face_count += counts.faces[split][label];
            sentences += counts.text[split][label];
        }
    assert_int_equal(face_count, 6 * 1500 + 436);
    assert_int_equal(sentences, 43410);
    assert_int_equal(counts.audio_other, 144); /* calm: eight clips of 18 actors */
    assert_int_equal(tern_clips_in_split(clips, TERN_TEST), 1400);
    assert_int_equal(tern_clips_in_split(clips, TERN_VALID), 700);
    tern_clips_free(clips);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sources_are_counted_and_cleaned),
        cmocka_unit_test(splits_share_no_face_no_actor_and_no_sentence),
        cmocka_unit_test(pairs_use_every_item_before_one_comes_again),
        cmocka_unit_test(a_seed_repeats_and_another_pairs_the_same_splits_otherwise),
        cmocka_unit_test(a_test_file_of_its_own_gives_the_test_sentences),
        cmocka_unit_test(mistakes_are_named_and_earlier_results_untouched),
        cmocka_unit_test(a_folder_with_something_else_is_refused),
        cmocka_unit_test(real_sources_are_joined),
    };
    return cmocka_run_group_tests(tests, make_sources, remove_sources);
}
