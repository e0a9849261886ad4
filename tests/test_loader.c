/* Batches: what is in them, how they are changed, and what happens when a file is bad. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "tests/tiny_loader.h"

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
            assert_true(temporary_file(path, test_folder, "broken.png", "\x89PNG\r\n\x1A\nxx", 10));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold_what_the_files_hold),
        cmocka_unit_test(the_last_batch_is_filled_up_with_weightless_rows),
        cmocka_unit_test(unwanted_modalities_take_no_memory_and_their_rows_are_left_out),
        cmocka_unit_test(a_bad_file_surfaces_from_next_with_its_name),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(next_before_start_is_an_error),
        cmocka_unit_test(strengths_of_zero_change_nothing),
        cmocka_unit_test(every_sample_and_every_epoch_is_changed_differently),
    };
    return cmocka_run_group_tests(tests, tiny_loader_make, tiny_loader_remove);
}
