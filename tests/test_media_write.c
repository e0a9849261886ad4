/* Writing PNG and WAV: what is written is what is read back, and a failure leaves
 * the file that was there. */
#include "tests/check.h"

#include "datasets/audio.h"
#include "datasets/file.h"
#include "datasets/image.h"
#include "tests/temporary_folder.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[TEMPORARY_PATH_BYTES];

static void assert_no_error(const tern_error *error)
{
    if (error->code)
        fail_msg("%s", error->message);
}

static void a_written_png_is_read_back_exactly(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        tern_error error = { 0 };
        tern_image image, back;
        assert_true(tern_image_new(7, 13, channels, &image, &error));
        size_t size = (size_t)(7 * 13 * channels);
        for (size_t i = 0; i < size; i++)
            image.pixels[i] = (uint8_t)(i * 37 % 251);
        tern_image_write_png(temporary_path(path, test_folder, "image.png"), &image, &error);
        tern_image_read_png(path, 0, &back, &error);
        assert_no_error(&error);
        assert_int_equal(back.height, 7);
        assert_int_equal(back.width, 13);
        assert_int_equal(back.channels, channels);
        assert_memory_equal(back.pixels, image.pixels, size);
        tern_image_free(&image);
        tern_image_free(&back);
    }
}

static void a_written_wav_is_read_back_to_half_a_step(void **state)
{
    (void)state;
    tern_error error = { 0 };
    float samples[] = { 0, 0.5f, -0.5f, 0.123456f, -1, 1.7f, -1.7f, 1.0f / 32768 };
    const float clipped[] = { 0, 0.5f, -0.5f, 0.123456f, -1, 32767 / 32768.0f, -1, 1.0f / 32768 };
    tern_audio sound = { 8, 16000, samples }, back;
    tern_audio_write_wav(temporary_path(path, test_folder, "sound.wav"), &sound, &error);
    tern_audio_read(path, &back, &error);
    assert_no_error(&error);
    assert_int_equal(back.count, 8);
    assert_int_equal(back.rate, 16000);
    for (int i = 0; i < 8; i++)
        assert_true(fabsf(back.samples[i] - clipped[i]) <= 0.5f / 32768);

    /* What came from 16 bits goes back to the same 16 bits, byte for byte. */
    size_t size, size_again;
    uint8_t *bytes = tern_file_read(path, &size, &error);
    tern_audio_write_wav(path, &back, &error);
    uint8_t *again = tern_file_read(path, &size_again, &error);
    assert_no_error(&error);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, again, size);
    free(bytes);
    free(again);
    tern_audio_free(&back);
}

static void what_cannot_be_written_names_the_file_and_leaves_it(void **state)
{
    (void)state;
    tern_error error = { 0 };
    float samples[] = { 0, NAN };
    tern_audio sound = { 2, 16000, samples };
    assert_true(temporary_file(path, test_folder, "kept.wav", "kept", 4));
    assert_false(tern_audio_write_wav(path, &sound, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    assert_non_null(strstr(error.message, "kept.wav: sample 1 of the sound"));

    error.code = TERN_OK;
    size_t size;
    char *kept = (char *)tern_file_read(path, &size, &error);
    assert_no_error(&error);
    assert_string_equal(kept, "kept");
    free(kept);

    uint8_t pixels[4] = { 0 };
    tern_image image = { 1, 1, 4, pixels };
    assert_false(tern_image_write_png(path, &image, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);

    error.code = TERN_OK;
    image.channels = 1;
    temporary_path(path, test_folder, "kept.wav/image.png"); /* a file, not a folder */
    assert_false(tern_image_write_png(path, &image, &error));
    assert_int_equal(error.code, TERN_ERR_IO);
    assert_non_null(strstr(error.message, "kept.wav/image.png"));
}

/* Written beside its place, it takes it only when it is complete. */
static void a_full_disk_leaves_the_earlier_image_and_nothing_else(void **state)
{
    (void)state;
    tern_error error = { 0 };
    struct rlimit old;
    tern_image image;
    size_t size;
    assert_true(tern_image_new(64, 64, 3, &image, &error));
    for (size_t i = 0; i < 64 * 64 * 3; i++)
        image.pixels[i] = (uint8_t)(i * i * 37 % 251);
    assert_true(temporary_file(path, test_folder, "full/image.png", "kept", 4));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { 100, old.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool written = tern_image_write_png(path, &image, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_false(written);
    assert_non_null(strstr(error.message, "full/image.png: cannot be written: File too large"));
    error = (tern_error){ 0 };
    char *kept = (char *)tern_file_read(path, &size, &error);
    assert_string_equal(kept, "kept");
    free(kept);
    unlink(path);
    assert_int_equal(rmdir(temporary_path(path, test_folder, "full")), 0);
    tern_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_png_is_read_back_exactly),
        cmocka_unit_test(a_written_wav_is_read_back_to_half_a_step),
        cmocka_unit_test(what_cannot_be_written_names_the_file_and_leaves_it),
        cmocka_unit_test(a_full_disk_leaves_the_earlier_image_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
