/* The synthetic set: its faces and voices, and its files by reading them back. */
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/audio.h"
#include "datasets/file.h"
#include "datasets/image.h"
#include "datasets/manifest.h"
#include "datasets/synth/face.h"
#include "datasets/synth/synth.h"
#include "datasets/synth/voice.h"
#include "tests/temporary_folder.h"

enum { LABELS = TERN_SYNTH_EMOTIONS };

/* ------------------------------------------------------------- media -- */

/* The four louder syllables are the stressed ones, for every voice and manner. */
static void stressed_syllables_are_louder(void **state)
{
    (void)state;
    enum { SAMPLES = 2 * TERN_SYNTH_RATE, SLOT = SAMPLES / TERN_SYNTH_SLOTS };
    float *samples = malloc(SAMPLES * sizeof *samples);
    assert_non_null(samples);
    for (int i = 0; i < 60; i++) {
        tern_rng rng = tern_rng_make(1, TERN_STREAM_TEST, (uint32_t)i);
        tern_synth_actor actor = tern_synth_draw_actor(&rng);
        uint8_t stressed = tern_synth_pattern(i);
        tern_audio sound = { SAMPLES, TERN_SYNTH_RATE, samples };
        double softest_stressed = 1, loudest_other = 0;
        tern_synth_speak(&actor, i % LABELS, stressed, &rng, &sound);
        for (int slot = 0; slot < TERN_SYNTH_SLOTS; slot++) {
            double energy = 0;
            for (int s = slot * SLOT; s < (slot + 1) * SLOT; s++)
                energy += samples[s] * samples[s];
            if (stressed >> slot & 1)
                softest_stressed = fmin(softest_stressed, energy / SLOT);
            else
                loudest_other = fmax(loudest_other, energy / SLOT);
        }
        assert_true(softest_stressed > 1.5 * loudest_other);
        for (int s = 0; s < SAMPLES; s++)
            assert_true(isfinite(samples[s]));
    }
    free(samples);
}

/* The same moment with and without: brows and eyes change whatever the expression, the
 * mouth of a neutral face and everybody's shirt do not. */
static void a_flash_moves_brows_and_eyes_and_no_shirt(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_image with, without;
    assert_true(tern_image_new(32, 32, 3, &with, &error));
    assert_true(tern_image_new(32, 32, 3, &without, &error));
    for (int i = 0; i < 24; i++) {
        tern_rng rng = tern_rng_make(2, TERN_STREAM_TEST, (uint32_t)i);
        tern_synth_actor actor = tern_synth_draw_actor(&rng);
        tern_synth_scene scene = tern_synth_draw_scene(&actor, i % LABELS, &rng);
        tern_rng again = rng;
        tern_synth_draw_frame(&scene, true, &rng, &with);
        tern_synth_draw_frame(&scene, false, &again, &without);
        bool neutral = strcmp(tern_synth_emotions[i % LABELS], "neutral") == 0;
        int still_from = neutral ? 22 : 30; /* rows */
        int changed_above = 0, changed_below = 0;
        for (int value = 0; value < 32 * 32 * 3; value++)
            if (abs(with.pixels[value] - without.pixels[value]) > 25)
                *(value / (32 * 3) < still_from ? &changed_above : &changed_below) += 1;
        assert_true(changed_above > 40);
        assert_int_equal(changed_below, 0);
    }
    tern_image_free(&with);
    tern_image_free(&without);
}

/* ------------------------------------------------------------- files -- */

/* 15 clips; the folder "small" holds them, made once. */
static const tern_synth_opts small = { .clips = { 8, 3, 4 }, .actors = { 5, 2, 3 }, .seed = 11,
                                       .size = 24, .seconds = 1, .threads = 1 };

static void write_set(const char *name, tern_synth_opts opts, tern_synth_report *report)
{
    char dir[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    if (!tern_synth_write(temporary_path(dir, test_folder, name), &opts, report, &error))
        fail_msg("%s", error.message);
}

static void assert_write_fails(const char *name, tern_synth_opts opts, tern_status code,
                               const char *words)
{
    char dir[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    assert_false(tern_synth_write(temporary_path(dir, test_folder, name), &opts, NULL, &error));
    if (error.code != code || !strstr(error.message, words))
        fail_msg("expected a %s error with \"%s\", got %s: %s", tern_status_name(code), words,
                 tern_status_name(error.code), error.message);
}

static tern_clips *read_set(const char *name)
{
    char path[TEMPORARY_PATH_BYTES], file[64];
    tern_error error = { 0 };
    unsigned all_splits = 1u << TERN_TRAIN | 1u << TERN_VALID | 1u << TERN_TEST;
    snprintf(file, sizeof file, "%s/manifest.tsv", name);
    tern_clips *clips = tern_manifest_read(temporary_path(path, test_folder, file),
                                           (tern_manifest_opts){ .needed_splits = all_splits },
                                           &error);
    if (!clips)
        fail_msg("%s", error.message);
    return clips;
}

static int make_folder(void **state)
{
    char dir[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    if (test_folder_make(state) != 0)
        return -1;
    temporary_path(dir, test_folder, "small");
    return tern_synth_write(dir, &small, NULL, &error) ? 0 : -1;
}

/* Files of two sets are the same bytes. */
static bool same_file(const char *one, const char *other, const char *file)
{
    char path[TEMPORARY_PATH_BYTES], name[128];
    tern_error error = { 0 };
    size_t size, other_size;
    snprintf(name, sizeof name, "%s/%s", one, file);
    uint8_t *bytes = tern_file_read(temporary_path(path, test_folder, name), &size, &error);
    snprintf(name, sizeof name, "%s/%s", other, file);
    uint8_t *others = tern_file_read(temporary_path(path, test_folder, name), &other_size, &error);
    if (error.code)
        fail_msg("%s", error.message);
    bool same = size == other_size && memcmp(bytes, others, size) == 0;
    free(bytes);
    free(others);
    return same;
}

static bool is_there(const char *name)
{
    char path[TEMPORARY_PATH_BYTES];
    return access(temporary_path(path, test_folder, name), F_OK) == 0;
}

static void remove_file(const char *name)
{
    char path[TEMPORARY_PATH_BYTES];
    assert_int_equal(remove(temporary_path(path, test_folder, name)), 0);
}

static void every_file_is_read_back(void **state)
{
    (void)state;
    tern_clips *clips = read_set("small"); /* checks speakers and files, too */
    assert_int_equal(clips->count, 15);
    assert_int_equal(clips->classes, LABELS);
    for (int64_t i = 0; i < clips->count; i++) {
        const tern_clip *clip = &clips->clip[i];
        tern_error error = { 0 };
        tern_image image;
        tern_audio sound;
        char path[TEMPORARY_PATH_BYTES];
        for (int frame = 1; frame <= TERN_SYNTH_SLOTS; frame++) {
            snprintf(path, sizeof path, "%.400s/%d.png", clip->face, frame);
            if (!tern_image_read_png(path, 0, &image, &error))
                fail_msg("%s", error.message);
            assert_int_equal(image.height, 24);
            assert_int_equal(image.width, 24);
            assert_int_equal(image.channels, 3);
            tern_image_free(&image);
        }
        if (!tern_audio_read(clip->audio, &sound, &error))
            fail_msg("%s", error.message);
        assert_int_equal(sound.rate, TERN_SYNTH_RATE);
        assert_int_equal(sound.count, TERN_SYNTH_RATE);
        tern_audio_free(&sound);
        int spaces = 0;
        for (const char *letter = clip->text; *letter; letter++)
            spaces += *letter == ' ';
        assert_int_equal(spaces, TERN_SYNTH_SLOTS - 1);
    }
    tern_clips_free(clips);
}

static void no_actor_is_in_two_splits(void **state)
{
    (void)state;
    tern_clips *clips = read_set("small");
    for (int64_t i = 0; i < clips->count; i++)
        for (int64_t j = 0; j < i; j++)
            if (strcmp(clips->clip[i].speaker, clips->clip[j].speaker) == 0)
                assert_int_equal(clips->clip[i].split, clips->clip[j].split);
    tern_clips_free(clips);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    tern_synth_opts two_threads = small, other_seed = small;
    two_threads.threads = 2;
    other_seed.seed = 12;
    write_set("two", two_threads, NULL);
    write_set("other", other_seed, NULL);
    assert_true(same_file("small", "two", "manifest.tsv"));
    assert_true(same_file("small", "two", "cues.tsv"));
    for (int clip = 1; clip <= 8; clip++) {
        char file[64];
        snprintf(file, sizeof file, "faces/train%04d/8.png", clip);
        assert_true(same_file("small", "two", file));
        assert_false(same_file("small", "other", file));
        snprintf(file, sizeof file, "voices/train%04d.wav", clip);
        assert_true(same_file("small", "two", file));
        assert_false(same_file("small", "other", file));
    }
}

static void a_clip_does_not_depend_on_how_many_others_there_are(void **state)
{
    (void)state;
    tern_synth_opts more = small;
    more.clips[TERN_TRAIN] = 12;
    write_set("more", more, NULL);
    assert_true(same_file("small", "more", "faces/test0004/3.png"));
    assert_true(same_file("small", "more", "voices/train0008.wav"));
}

/* cues.tsv: the ceiling can be computed from it alone. */
static void the_table_of_cues_gives_the_reported_ceiling(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    tern_synth_report report;
    write_set("small", small, &report);
    char *text = tern_file_read_text(temporary_path(path, test_folder, "small/cues.tsv"), &error);
    assert_non_null(text);
    char *rest = text;
    int right = 0, rows = 0;
    tern_line_next(&rest);
    for (char *line; (line = tern_line_next(&rest));) {
        char *field[32] = { NULL };
        for (int i = 0; i < 32 && (field[i] = tern_field_next(&line)); i++)
            ;
        int best = 0;
        double sum = 0;
        for (int y = 0; y < LABELS; y++) {
            sum += atof(field[11 + y]);
            best = atof(field[11 + y]) > atof(field[11 + best]) ? y : best;
        }
        assert_true(fabs(sum - 1) < 1e-5);
        if (strcmp(field[1], "train") == 0) {
            rows++;
            right += strcmp(field[2], tern_synth_emotions[best]) == 0;
        }
    }
    free(text);
    assert_int_equal(rows, 8);
    const unsigned all = TERN_SYNTH_FACE | TERN_SYNTH_VOICE | TERN_SYNTH_TEXT | TERN_SYNTH_TIMING;
    assert_int_equal(report.ceiling[TERN_SYNTH_EVIDENCES - 1].parts, all);
    assert_true(report.ceiling[TERN_SYNTH_EVIDENCES - 1].realised[TERN_TRAIN] == right / 8.0);
}

static void count_progress(int64_t done, int64_t total, void *user)
{
    int64_t *last = user;
    assert_true(done > *last && done <= total);
    *last = done;
}

static void a_finished_set_is_left_and_an_unfinished_one_made_anew(void **state)
{
    (void)state;
    tern_synth_report report;
    int64_t done = 0;
    tern_synth_opts opts = small;
    opts.progress = count_progress;
    opts.user = &done;
    write_set("again", opts, &report);
    assert_false(report.was_there);
    assert_int_equal(done, 15);
    double ceiling = report.ceiling[0].realised[TERN_TEST];
    remove_file("again/voices/test0001.wav");
    write_set("again", opts, &report);
    assert_true(report.was_there);
    assert_true(report.ceiling[0].realised[TERN_TEST] == ceiling);
    assert_false(is_there("again/voices/test0001.wav"));

    remove_file("again/manifest.tsv");
    done = 0;
    write_set("again", opts, &report);
    assert_false(report.was_there);
    assert_true(same_file("again", "small", "manifest.tsv"));
    assert_true(same_file("again", "small", "voices/test0001.wav"));
}

static void a_folder_with_something_else_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    assert_true(temporary_file(path, test_folder, "taken/thesis.txt", "years of work", 13));
    assert_write_fails("taken", small, TERN_ERR_STATE, "thesis.txt");
    assert_true(is_there("taken/thesis.txt"));
    assert_false(is_there("taken/faces"));

    /* What a run that was killed at its very beginning left is nothing else. */
    tern_synth_report report;
    assert_true(temporary_file(path, test_folder, "killed/synth.txt.4711.0.tmp", "made by", 7));
    write_set("killed", small, &report);

    tern_synth_opts other = small;
    other.size = 25;
    assert_write_fails("small", other, TERN_ERR_STATE, "small/synth.txt");
    assert_true(is_there("small/manifest.tsv"));
}

static void a_failed_write_names_the_file_and_leaves_no_manifest(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    write_set("broken", small, NULL);
    remove_file("broken/manifest.tsv");
    remove_file("broken/voices/valid0002.wav");
    /* A folder where the file should be. */
    temporary_path(path, test_folder, "broken/voices/valid0002.wav/in the way");
    assert_write_fails("broken", small, TERN_ERR_IO, "voices/valid0002.wav");
    assert_false(is_there("broken/manifest.tsv"));

    assert_true(temporary_file(path, test_folder, "file", "file", 4));
    assert_write_fails("file", small, TERN_ERR_IO, "file");
    assert_write_fails("file/below", small, TERN_ERR_IO, "file/below");
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    tern_synth_opts opts = small;
    opts.frames = 7;
    assert_write_fails("bad", opts, TERN_ERR_OPTION, "7 frames");
    opts = small;
    opts.size = 8;
    assert_write_fails("bad", opts, TERN_ERR_OPTION, "8 pixels");
    opts = small;
    opts.seconds = NAN;
    assert_write_fails("bad", opts, TERN_ERR_OPTION, "nan seconds");
    opts = small;
    opts.clips[TERN_VALID] = -1;
    assert_write_fails("bad", opts, TERN_ERR_OPTION, "-1 clips in split valid");
    opts = small;
    opts.actors[TERN_TEST] = 7;
    assert_write_fails("bad", opts, TERN_ERR_OPTION, "7 actors for the 4 clips of split test");
    assert_false(is_there("bad"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stressed_syllables_are_louder),
        cmocka_unit_test(a_flash_moves_brows_and_eyes_and_no_shirt),
        cmocka_unit_test(every_file_is_read_back),
        cmocka_unit_test(no_actor_is_in_two_splits),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(a_clip_does_not_depend_on_how_many_others_there_are),
        cmocka_unit_test(the_table_of_cues_gives_the_reported_ceiling),
        cmocka_unit_test(a_finished_set_is_left_and_an_unfinished_one_made_anew),
        cmocka_unit_test(a_folder_with_something_else_is_refused),
        cmocka_unit_test(a_failed_write_names_the_file_and_leaves_no_manifest),
        cmocka_unit_test(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, test_folder_remove);
}
