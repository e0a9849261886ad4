/* Batches: what is in them, in which order, and what happens when a file is bad. */
#include "datasets/loader.h"
#include "temporary_folder.h"
#include "tiny_media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twenty-one train clips, speakers and labels mixed, every kind of medium:
 *   clip 0: frames in a folder (3 of them), 8 kHz sound, a sentence
 *   clip 1: one grey PNG 12 x 10, no sound, a sentence
 *   clip 2: no face, a long 16 kHz FLAC, no sentence
 *   the others repeat the three kinds                                        */
enum { CLIPS = 21, SIDE = 8, TOKENS = 6, FRAMES = 2 };
static char folder[TEMPORARY_PATH_BYTES];
static tern_clips *clips;
static tern_vocabulary *vocabulary;

static void make_clip(int number)
{
    static const char *const kinds[3] = { "frames", "face", "voice" };
    char name[64], path[TEMPORARY_PATH_BYTES], face[TEMPORARY_PATH_BYTES] = "",
         audio[TEMPORARY_PATH_BYTES] = "", id[32], text[64];
    int kind = number % 3;
    tern_error error = { 0 };

    snprintf(id, sizeof id, "%s%d", kinds[kind], number);
    snprintf(text, sizeof text, "the number %d is %s", number, number % 2 ? "odd" : "even");
    if (kind == 0) {
        snprintf(name, sizeof name, "f%d", number);
        temporary_path(face, folder, name);
        for (int frame = 0; frame < 3; frame++) {
            snprintf(name, sizeof name, "f%d/%d.png", number, frame);
            assert_true(tiny_png(temporary_path(path, folder, name), SIDE, SIDE, 3,
                                 number * 3 + frame));
        }
        snprintf(name, sizeof name, "a%d.wav", number);
        assert_true(tiny_sound(temporary_path(audio, folder, name), 8000, 400 + number, number));
    } else if (kind == 1) {
        snprintf(name, sizeof name, "f%d.png", number);
        assert_true(tiny_png(temporary_path(face, folder, name), 12, 10, 1, number));
    } else {
        snprintf(name, sizeof name, "a%d.flac", number);
        assert_true(tiny_sound(temporary_path(audio, folder, name), 16000, 2000 + number, number));
    }
    tern_clip clip = { id, TERN_TRAIN, NULL, number % 4, face, audio, kind == 2 ? NULL : text };
    assert_true(tern_clips_append(clips, &clip, &error));
}

static int make_data(void **state)
{
    (void)state;
    static const char *const classes[] = { "a", "b", "c", "d" };
    static const char *const sentences[] = { "the number is odd", "the number is even" };
    tern_error error = { 0 };
    if (!temporary_folder_make(folder) || !(clips = tern_clips_new(&error)))
        return -1;
    tern_clips_set_classes(clips, classes, 4, &error);
    for (int number = 0; number < CLIPS; number++)
        make_clip(number);
    vocabulary = tern_vocabulary_build(sentences, 2, (tern_vocabulary_opts){ .min_count = 1 },
                                       &error);
    return vocabulary ? 0 : -1;
}

static int remove_data(void **state)
{
    (void)state;
    tern_clips_free(clips);
    tern_vocabulary_free(vocabulary);
    temporary_folder_remove(folder);
    return 0;
}

static const tern_loader_opts small = {
    .batch = 4, .frames = FRAMES, .height = SIDE, .width = SIDE, .seconds = 0.1, .tokens = TOKENS,
};

static tern_loader *new_loader(const tern_clips *of, tern_loader_opts opts)
{
    tern_error error = { 0 };
    tern_loader *loader = tern_loader_new(of, vocabulary, opts, &error);
    if (!loader)
        fail_msg("%s", error.message);
    return loader;
}

static void start(tern_loader *loader, uint32_t epoch)
{
    tern_error error = { 0 };
    assert_true(tern_loader_start(loader, epoch, &error));
}

static const tern_batch *next(tern_loader *loader)
{
    tern_error error = { 0 };
    const tern_batch *batch = tern_loader_next(loader, &error);
    if (error.code)
        fail_msg("%s", error.message);
    return batch;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; byte && i < count; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

/* A number that changes with any bit of a batch. */
static uint64_t batch_hash(uint64_t hash, const tern_batch *b)
{
    const tern_batch_shape *s = &b->shape;
    size_t rows = (size_t)s->rows, frames = rows * (size_t)s->frames;
    size_t pixels = (size_t)(s->height * s->width * s->channels);
    hash = mix(hash, b->face, frames * pixels * sizeof(float));
    hash = mix(hash, b->face_mask, frames);
    hash = mix(hash, b->audio, rows * (size_t)s->samples * sizeof(float));
    hash = mix(hash, b->audio_length, rows * sizeof(int32_t));
    hash = mix(hash, b->tokens, rows * (size_t)s->tokens * sizeof(int32_t));
    hash = mix(hash, b->token_mask, rows * (size_t)s->tokens);
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        hash = mix(hash, b->has[m], rows);
    hash = mix(hash, b->label, rows * sizeof(int32_t));
    hash = mix(hash, b->row_weight, rows * sizeof(float));
    hash = mix(hash, b->clip, rows * sizeof(int64_t));
    return mix(hash, b->source, rows * 3 * sizeof(int64_t));
}

static uint64_t epoch_hash(tern_loader *loader, uint32_t epoch)
{
    uint64_t hash = 14695981039346656037u;
    int64_t count = 0;
    start(loader, epoch);
    for (const tern_batch *batch; (batch = next(loader)); count++)
        hash = batch_hash(hash, batch);
    assert_int_equal(count, tern_loader_batches(loader));
    return hash;
}

/* ------------------------------------------------------------- contents -- */

static void rows_hold_what_the_files_hold(void **state)
{
    (void)state;
    tern_loader *loader = new_loader(clips, small);
    start(loader, 0);
    const tern_batch *b = next(loader);
    assert_int_equal(b->filled, 4);

    /* Clip 0: three frames, of which the first and the last are the middles of two halves. */
    for (int frame = 0; frame < FRAMES; frame++)
        for (int i = 0; i < SIDE * SIDE * 3; i++) {
            int pixel = ((frame * 2) * 37 + i * 11) % 256;
            float value = b->face[frame * SIDE * SIDE * 3 + i];
            assert_true(value == ((float)pixel / 255 - 0.5f) / 0.5f);
        }
    assert_memory_equal(b->face_mask, "\1\1\1\0\0\0\1\1", 8);
    assert_memory_equal(b->has[TERN_FACE], "\1\1\0\1", 4);
    assert_memory_equal(b->has[TERN_AUDIO], "\1\0\1\1", 4);
    assert_memory_equal(b->has[TERN_TEXT], "\1\1\0\1", 4);

    /* 400 samples at 8 kHz are 800 at 16 kHz; 2,002 are cut to 1,600, from the middle. */
    assert_int_equal(b->shape.samples, 1600);
    assert_int_equal(b->audio_length[0], 800);
    assert_int_equal(b->audio_length[1], 0);
    assert_int_equal(b->audio_length[2], 1600);
    for (int i = 100; i < 700; i++)
        assert_true(fabs(b->audio[i] - 0.5 * sin(2 * M_PI * 100 * i / 16000)) < 2e-3);
    for (int i = 800; i < 1600; i++)
        assert_true(b->audio[i] == 0);
    for (int i = 0; i < 1600; i++)
        assert_true(fabs(b->audio[2 * 1600 + i] -
                         0.5 * sin(2 * M_PI * 120 * (i + (2002 - 1600) / 2) / 16000)) < 1e-4);

    /* "the number 0 is even": 0 is unknown. */
    int32_t ids[TOKENS] = { TERN_TOKEN_CLS, tern_vocabulary_id(vocabulary, "the"),
                            tern_vocabulary_id(vocabulary, "number"), TERN_TOKEN_UNKNOWN,
                            tern_vocabulary_id(vocabulary, "is"),
                            tern_vocabulary_id(vocabulary, "even") };
    assert_memory_equal(b->tokens, ids, sizeof ids);
    assert_memory_equal(b->token_mask, "\1\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\0\0", 18);

    for (int row = 0; row < 4; row++) {
        assert_int_equal(b->label[row], row % 4);
        assert_int_equal(b->clip[row], row);
        assert_true(b->row_weight[row] == 1);
    }
    assert_int_equal(b->source[2 * 3 + TERN_FACE], -1);
    assert_int_equal(b->source[2 * 3 + TERN_AUDIO], 2);
    tern_loader_free(loader);
}

static void the_last_batch_is_filled_up_with_weightless_rows(void **state)
{
    (void)state;
    tern_loader *loader = new_loader(clips, small);
    const tern_batch *batch = NULL, *last = NULL;
    start(loader, 0);
    assert_int_equal(tern_loader_batches(loader), 6);
    for (int i = 0; i < 6; i++) {
        batch = next(loader);
        assert_non_null(batch);
        last = batch;
    }
    assert_int_equal(last->filled, 1);
    for (int row = 1; row < 4; row++) {
        assert_true(last->row_weight[row] == 0);
        assert_int_equal(last->clip[row], -1);
        assert_int_equal(last->has[TERN_FACE][row], 0);
        assert_int_equal(last->token_mask[row * TOKENS], 0);
        assert_true(last->face[row * FRAMES * SIDE * SIDE * 3 + 5] == 0);
    }
    assert_null(next(loader));
    assert_null(next(loader));
    tern_loader_free(loader);
}

static void unwanted_modalities_take_no_memory_and_their_rows_are_left_out(void **state)
{
    (void)state;
    tern_loader_opts opts = small;
    opts.modalities = TERN_WANT_AUDIO;
    tern_loader *loader = new_loader(clips, opts);
    assert_int_equal(tern_loader_samples(loader), CLIPS - CLIPS / 3);
    start(loader, 0);
    for (const tern_batch *b; (b = next(loader));) {
        assert_null(b->face);
        assert_null(b->tokens);
        for (int row = 0; row < b->filled; row++) {
            assert_true(b->has[TERN_AUDIO][row]);
            assert_false(b->has[TERN_FACE][row]);
        }
    }
    tern_loader_free(loader);
}

/* ---------------------------------------------------------------- order -- */

static void an_epoch_shows_every_clip_once_and_epochs_differ(void **state)
{
    (void)state;
    tern_loader_opts opts = small;
    opts.shuffle = true;
    tern_loader *loader = new_loader(clips, opts);
    int64_t order[2][CLIPS];
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        int seen[CLIPS] = { 0 }, count = 0;
        start(loader, epoch);
        for (const tern_batch *b; (b = next(loader));)
            for (int row = 0; row < b->filled; row++) {
                seen[b->clip[row]]++;
                order[epoch][count++] = b->clip[row];
            }
        for (int i = 0; i < CLIPS; i++)
            assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    tern_loader_free(loader);
}

static tern_loader_opts training(const tern_augment *augment)
{
    tern_loader_opts opts = small;
    opts.shuffle = true;
    opts.augment = augment;
    opts.seed = 7;
    return opts;
}

static void batches_do_not_depend_on_workers_queue_or_cache(void **state)
{
    (void)state;
    static const struct {
        int workers, queue;
        int64_t cache_bytes;
    } cases[] = { { 1, 1, 0 }, { 2, 4, 0 }, { 5, 3, -1 }, { 3, 16, 3000 } };
    tern_augment augment = tern_augment_standard();
    uint64_t expected[2] = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_loader_opts opts = training(&augment);
        opts.workers = cases[i].workers;
        opts.queue = cases[i].queue;
        opts.cache_bytes = cases[i].cache_bytes;
        tern_loader *loader = new_loader(clips, opts);
        for (uint32_t epoch = 0; epoch < 2; epoch++) {
            uint64_t hash = epoch_hash(loader, epoch);
            if (i == 0)
                expected[epoch] = hash;
            assert_true(hash == expected[epoch]);
        }
        tern_loader_free(loader);
    }
    assert_true(expected[0] != expected[1]);
}

static void a_resumed_epoch_repeats_exactly(void **state)
{
    (void)state;
    tern_augment augment = tern_augment_standard();
    tern_loader *whole = new_loader(clips, training(&augment));
    tern_loader *resumed = new_loader(clips, training(&augment));
    uint64_t hash = 0;
    for (uint32_t epoch = 0; epoch <= 3; epoch++)
        hash = epoch_hash(whole, epoch);
    assert_true(epoch_hash(resumed, 3) == hash);
    tern_loader_free(whole);
    tern_loader_free(resumed);
    tern_loader_opts other = training(&augment);
    other.seed++;
    resumed = new_loader(clips, other);
    assert_true(epoch_hash(resumed, 3) != hash);
    tern_loader_free(resumed);
}

static void a_loader_may_be_dropped_or_restarted_at_any_moment(void **state)
{
    (void)state;
    tern_augment augment = tern_augment_standard();
    for (int taken = -1; taken < 8; taken++) {
        tern_loader *loader = new_loader(clips, training(&augment));
        if (taken >= 0) {
            start(loader, 0);
            for (int i = 0; i < taken; i++)
                next(loader);
            start(loader, 1);
            assert_non_null(next(loader));
        }
        tern_loader_free(loader);
    }
}

/* ------------------------------------------------------------- unpaired -- */

/* A copy of the clips whose training rows hold one modality each. */
static tern_clips *pools(void)
{
    static const char *const classes[] = { "a", "b", "c" };
    tern_error error = { 0 };
    tern_clips *of = tern_clips_new(&error);
    assert_true(tern_clips_set_classes(of, classes, 3, &error));
    for (int i = 0; i < 30; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "x%d", i);
        snprintf(text, sizeof text, "number %d", i);
        int kind = i % 3, label = i / 3 % 3;
        if (kind == TERN_AUDIO && label == 2)
            continue; /* class c has no sound */
        tern_clip clip = { id, TERN_TRAIN, NULL, label, NULL, NULL, NULL };
        if (kind == TERN_FACE)
            clip.face = clips->clip[0].face;
        if (kind == TERN_AUDIO)
            clip.audio = clips->clip[2].audio;
        if (kind == TERN_TEXT)
            clip.text = text;
        assert_true(tern_clips_append(of, &clip, &error));
    }
    of->train_unpaired = true;
    return of;
}

static void pools_are_joined_on_the_label_without_early_reuse(void **state)
{
    (void)state;
    tern_clips *of = pools();
    tern_loader_opts opts = small;
    opts.shuffle = true;
    opts.epoch_samples = 12;
    tern_loader *loader = new_loader(of, opts);
    assert_int_equal(tern_loader_samples(loader), 12);
    int uses[32] = { 0 }, labels[3] = { 0 };
    for (uint32_t epoch = 0; epoch < 5; epoch++) { /* 60 samples, 20 of each label */
        start(loader, epoch);
        for (const tern_batch *b; (b = next(loader));)
            for (int row = 0; row < b->filled; row++) {
                labels[b->label[row]]++;
                assert_int_equal(b->clip[row], -1);
                assert_int_equal(b->has[TERN_AUDIO][row], b->label[row] != 2);
                for (int m = 0; m < 3; m++) {
                    int64_t source = b->source[row * 3 + m];
                    assert_int_equal(source >= 0, b->has[m][row]);
                    if (source < 0)
                        continue;
                    assert_int_equal(of->clip[source].label, b->label[row]);
                    uses[source]++;
                }
            }
    }
    for (int label = 0; label < 3; label++)
        assert_int_equal(labels[label], 20);
    /* A pool of n is used round after round: 20 draws are 20/n or one more each. */
    for (int64_t i = 0; i < of->count; i++) {
        int64_t size = 0;
        for (int64_t j = 0; j < of->count; j++)
            size += of->clip[j].label == of->clip[i].label &&
                    !of->clip[j].face == !of->clip[i].face &&
                    !of->clip[j].audio == !of->clip[i].audio;
        assert_in_range(uses[i], 20 / size, (20 + size - 1) / size);
    }
    tern_loader_free(loader);
    tern_clips_free(of);
}

static void unpaired_epochs_repeat_exactly_too(void **state)
{
    (void)state;
    tern_clips *of = pools();
    tern_augment augment = tern_augment_standard();
    tern_loader *a = new_loader(of, training(&augment)), *b = new_loader(of, training(&augment));
    assert_int_equal(tern_loader_samples(a), 10); /* the median of 10, 7 and 10 */
    epoch_hash(a, 0);
    uint64_t hash = epoch_hash(a, 1);
    assert_true(epoch_hash(b, 1) == hash);
    assert_true(epoch_hash(b, 2) != hash);
    tern_loader_free(a);
    tern_loader_free(b);
    tern_clips_free(of);
}

/* --------------------------------------------------------------- errors -- */

static void a_bad_file_surfaces_from_next_with_its_name(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    static const char *const classes[] = { "a" };
    tern_error error = { 0 };
    tern_clips *of = tern_clips_new(&error);
    assert_true(tern_clips_set_classes(of, classes, 1, &error));
    for (int i = 0; i < 12; i++) {
        char id[16];
        snprintf(id, sizeof id, "row%d", i);
        tern_clip clip = { id, TERN_TEST, NULL, 0, clips->clip[1].face, NULL, NULL };
        if (i == 6) {
            assert_true(temporary_file(path, folder, "broken.png", "\x89PNG\r\n\x1A\nxx", 10));
            clip.face = path;
        }
        assert_true(tern_clips_append(of, &clip, &error));
    }
    tern_loader_opts opts = small;
    opts.split = TERN_TEST;
    tern_loader *loader = new_loader(of, opts);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        start(loader, epoch);
        assert_non_null(tern_loader_next(loader, &error)); /* the first batch is whole */
        for (int again = 0; again < 2; again++) {
            assert_null(tern_loader_next(loader, &error));
            assert_int_equal(error.code, TERN_ERR_FORMAT);
            assert_non_null(strstr(error.message, "clip row6: "));
            assert_non_null(strstr(error.message, "broken.png: truncated PNG"));
            error = (tern_error){ 0 };
        }
    }
    tern_loader_free(loader);
    tern_clips_free(of);
}

static void expect_refusal(const tern_vocabulary *words, tern_loader_opts opts, tern_status code,
                           const char *message)
{
    tern_error error = { 0 };
    assert_null(tern_loader_new(clips, words, opts, &error));
    if (error.code != code || !strstr(error.message, message))
        fail_msg("expected \"%s\", got %s: %s", message, tern_status_name(error.code),
                 error.message);
}

static void senseless_options_are_refused(void **state)
{
    (void)state;
    tern_loader_opts opts = small;
    opts.batch = -1;
    expect_refusal(vocabulary, opts, TERN_ERR_OPTION, "-1 rows");
    opts = small;
    opts.channels = 2;
    expect_refusal(vocabulary, opts, TERN_ERR_OPTION, "2 channels");
    opts = small;
    opts.seconds = NAN;
    expect_refusal(vocabulary, opts, TERN_ERR_OPTION, "nan seconds");
    opts = small;
    opts.workers = 1000;
    expect_refusal(vocabulary, opts, TERN_ERR_OPTION, "1000 workers");
    opts = small;
    opts.split = TERN_VALID;
    expect_refusal(vocabulary, opts, TERN_ERR_DATA, "split valid has no rows");
    expect_refusal(NULL, small, TERN_ERR_ARGUMENT, "text needs a vocabulary");
}

static void next_before_start_is_an_error(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_loader *loader = new_loader(clips, small);
    assert_null(tern_loader_next(loader, &error));
    assert_int_equal(error.code, TERN_ERR_STATE);
    tern_loader_free(loader);
}

/* -------------------------------------------------------------- changes -- */

static void strengths_of_zero_change_nothing(void **state)
{
    (void)state;
    tern_augment none = { 0 };
    tern_loader *plain = new_loader(clips, small);
    tern_loader_opts opts = small;
    opts.augment = &none;
    tern_loader *changed = new_loader(clips, opts);
    start(plain, 0);
    start(changed, 0);
    for (const tern_batch *a, *b; (a = next(plain)) && (b = next(changed));) {
        for (int i = 0; i < 4 * FRAMES * SIDE * SIDE * 3; i++)
            assert_true(fabsf(a->face[i] - b->face[i]) < 1e-6f);
        assert_memory_equal(a->audio, b->audio, 4 * 1600 * sizeof(float));
        assert_memory_equal(a->tokens, b->tokens, 4 * TOKENS * sizeof(int32_t));
    }
    tern_loader_free(plain);
    tern_loader_free(changed);
}

static void every_sample_and_every_epoch_is_changed_differently(void **state)
{
    (void)state;
    static const char *const classes[] = { "a" };
    size_t row_bytes = FRAMES * SIDE * SIDE * 3 * sizeof(float);
    tern_augment augment = tern_augment_standard();
    tern_error error = { 0 };
    tern_clips *of = tern_clips_new(&error);
    assert_true(tern_clips_set_classes(of, classes, 1, &error));
    for (int i = 0; i < 4; i++) {
        char id[2] = { (char)('a' + i), 0 };
        tern_clip clip = { id, TERN_TRAIN, NULL, 0, clips->clip[0].face, NULL, NULL };
        assert_true(tern_clips_append(of, &clip, &error));
    }
    tern_loader_opts opts = small;
    opts.modalities = TERN_WANT_FACE;
    opts.augment = &augment;
    tern_loader *loader = new_loader(of, opts);
    uint64_t seen[8];
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        start(loader, epoch);
        const tern_batch *batch = next(loader);
        for (size_t row = 0; row < 4; row++) {
            uint64_t hash = mix(1, (const uint8_t *)batch->face + row * row_bytes, row_bytes);
            seen[epoch * 4 + row] = hash;
            for (size_t earlier = 0; earlier < epoch * 4 + row; earlier++)
                assert_true(seen[earlier] != hash);
        }
    }
    tern_loader_free(loader);
    tern_clips_free(of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold_what_the_files_hold),
        cmocka_unit_test(the_last_batch_is_filled_up_with_weightless_rows),
        cmocka_unit_test(unwanted_modalities_take_no_memory_and_their_rows_are_left_out),
        cmocka_unit_test(an_epoch_shows_every_clip_once_and_epochs_differ),
        cmocka_unit_test(batches_do_not_depend_on_workers_queue_or_cache),
        cmocka_unit_test(a_resumed_epoch_repeats_exactly),
        cmocka_unit_test(a_loader_may_be_dropped_or_restarted_at_any_moment),
        cmocka_unit_test(pools_are_joined_on_the_label_without_early_reuse),
        cmocka_unit_test(unpaired_epochs_repeat_exactly_too),
        cmocka_unit_test(a_bad_file_surfaces_from_next_with_its_name),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(next_before_start_is_an_error),
        cmocka_unit_test(strengths_of_zero_change_nothing),
        cmocka_unit_test(every_sample_and_every_epoch_is_changed_differently),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
