/* Random changes of training samples: what each does to what it is given. */
#include "datasets/augment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

static void a_flip_mirrors_and_a_shift_keeps_the_range(void **state)
{
    (void)state;
    uint8_t frame[2 * 4 * 3];
    float values[sizeof frame];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)(i * 9);
    tern_augment flip = { .flip = 1 };
    tern_augment_face(&flip, tern_rng_make(1, TERN_STREAM_TEST, 0), frame, 1, 2, 4, 3, values);
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 4; x++)
            for (int c = 0; c < 3; c++)
                assert_true(fabsf(values[(y * 4 + x) * 3 + c] -
                                  ((float)frame[(y * 4 + 3 - x) * 3 + c] / 127.5f - 1)) < 1e-5f);
    tern_augment strong = { .shift = 1, .rotate = 180, .zoom = 0.9, .brightness = 1, .contrast = 1,
                            .erase = 1 };
    for (uint32_t step = 0; step < 200; step++) {
        tern_augment_face(&strong, tern_rng_make(1, TERN_STREAM_TEST, step), frame, 1, 2, 4, 3,
                          values);
        for (size_t i = 0; i < sizeof frame; i++)
            assert_true(values[i] >= -1 && values[i] <= 1);
    }
}

static void noise_has_the_ratio_that_was_asked_for(void **state)
{
    (void)state;
    enum { COUNT = 16000 };
    static float clean[COUNT], noisy[COUNT];
    tern_augment augment = { .noise = 1, .noise_snr_low_db = 20, .noise_snr_high_db = 20 };
    double signal = 0, noise = 0;
    for (int i = 0; i < COUNT; i++)
        clean[i] = 0.3f * sinf((float)i * 0.1f);
    assert_int_equal(tern_augment_audio(&augment, tern_rng_make(3, TERN_STREAM_TEST, 0), clean,
                                        COUNT, 16000, noisy, COUNT), COUNT);
    for (int i = 0; i < COUNT; i++) {
        signal += clean[i] * clean[i];
        noise += (noisy[i] - clean[i]) * (noisy[i] - clean[i]);
    }
    assert_true(fabs(10 * log10(signal / noise) - 20) < 0.2);
}

/* Faster is higher and shorter: against the very sine that should be heard. */
static void a_sound_can_be_played_faster_and_slower(void **state)
{
    (void)state;
    enum { COUNT = 8000, ROOM = 12000 };
    static float sine[COUNT], window[ROOM];
    tern_augment augment = { .speed = 0.2 };
    double slowest = 2, fastest = 0;
    for (int i = 0; i < COUNT; i++)
        sine[i] = sinf((float)i * 0.2f);
    for (uint32_t step = 0; step < 50; step++) {
        tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, step);
        int32_t heard = tern_augment_audio(&augment, rng, sine, COUNT, 16000, window, ROOM);
        for (int earlier = 0; earlier < 4; earlier++) /* place, gain, noise and its ratio */
            tern_rng_uniform(&rng);
        double speed = 0.8 + 0.4 * tern_rng_uniform(&rng);
        assert_int_equal(heard, (int)ceil(COUNT / speed));
        for (int i = 2; i * speed < COUNT - 3; i++)
            assert_true(fabs(window[i] - sin(0.2 * i * speed)) < 2e-2);
        slowest = speed < slowest ? speed : slowest;
        fastest = speed > fastest ? speed : fastest;
    }
    assert_true(slowest > 0.79 && slowest < 0.83 && fastest > 1.17 && fastest < 1.21);
}

static void shorter_sounds_shift_and_longer_ones_are_cut_anywhere(void **state)
{
    (void)state;
    float sound[100], window[200];
    tern_augment augment = { .time_shift = 0.05, .crop = true };
    int longest = 0, first = 100, last = 0;
    for (int i = 0; i < 100; i++)
        sound[i] = (float)(i + 1);
    for (uint32_t step = 0; step < 300; step++) {
        tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, step);
        int32_t length = tern_augment_audio(&augment, rng, sound, 100, 1000, window, 200);
        assert_in_range(length, 100, 150);
        assert_true(window[length - 1] == 100 && window[length - 100] == 1);
        longest = length > longest ? length : longest;
        assert_int_equal(tern_augment_audio(&augment, rng, sound, 100, 1000, window, 60), 60);
        first = (int)window[0] < first ? (int)window[0] : first;
        last = (int)window[0] > last ? (int)window[0] : last;
        assert_true(window[59] == window[0] + 59);
    }
    assert_int_equal(longest, 150);
    assert_int_equal(first, 1);
    assert_int_equal(last, 41);
}

static void dropped_words_become_unknown_but_cls_and_padding_stay(void **state)
{
    (void)state;
    int32_t ids[6] = { 2, 7, 8, 9, 0, 0 };
    static const int32_t expected[6] = { 2, 1, 1, 1, 0, 0 };
    static const uint8_t mask[6] = { 1, 1, 1, 1, 0, 0 };
    tern_augment all = { .word_drop = 1 };
    tern_augment_text(&all, tern_rng_make(1, TERN_STREAM_TEST, 0), ids, mask, 6);
    assert_memory_equal(ids, expected, sizeof ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flip_mirrors_and_a_shift_keeps_the_range),
        cmocka_unit_test(noise_has_the_ratio_that_was_asked_for),
        cmocka_unit_test(a_sound_can_be_played_faster_and_slower),
        cmocka_unit_test(shorter_sounds_shift_and_longer_ones_are_cut_anywhere),
        cmocka_unit_test(dropped_words_become_unknown_but_cls_and_padding_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
