/* `paired`: three unimodal sources joined on the label. */
#include "tests/check.h"
#include "tests/paired_set.h"

#include <stdlib.h>
#include <string.h>

static void the_sources_are_counted_and_cleaned(void **state)
{
    (void)state;
    tern_paired_counts counts;
    tern_clips *clips = paired_write_and_read(paired_options(), &counts);
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
    tern_clips *clips = paired_write_and_read(paired_options(), NULL);
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
    tern_clips *clips = paired_write_and_read(paired_options(), NULL);
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

static void a_seed_repeats_and_another_pairs_the_same_splits_otherwise(void **state)
{
    (void)state;
    tern_paired_opts opts = paired_options();
    tern_paired_counts counts[2];
    tern_clips_free(paired_write_and_read(opts, &counts[0]));
    char *first = paired_manifest_rows();
    tern_clips_free(paired_write_and_read(opts, NULL));
    char *second = paired_manifest_rows();
    opts.seed = 5;
    tern_clips_free(paired_write_and_read(opts, &counts[1]));
    char *third = paired_manifest_rows();
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
    tern_paired_opts opts = paired_options();
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
    assert_true(temporary_file(path, test_folder, "dev.tsv", lines, strlen(lines)));
    opts.text_test = path;
    tern_clips *clips = paired_write_and_read(opts, &counts);
    for (int label = 0; label < CLASSES; label++)
        assert_int_equal(counts.text[TERN_TEST][label], 1);
    assert_int_equal(counts.text[TERN_TRAIN][0], 8);
    for (int64_t i = 0; i < clips->count; i++)
        if (clips->clip[i].split == TERN_TEST)
            assert_non_null(strstr(clips->clip[i].text, "in the test"));
    tern_clips_free(clips);
}

static void real_sources_are_joined(void **state)
{
    (void)state;
    char real[3][TEMPORARY_PATH_BYTES];
    tern_paired_counts counts;
    if (!shared_data(real[0], "fer2013") || !shared_data(real[1], "ravdess") ||
        !shared_data(real[2], "text/goemotions_ekman_train.tsv"))
        skip();
    tern_clips *clips = paired_write_and_read(
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
        cmocka_unit_test(real_sources_are_joined),
    };
    return cmocka_run_group_tests(tests, paired_sources_make, test_folder_remove);
}
