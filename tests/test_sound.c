/* Sound files: what is read from good ones, what is said of bad ones; resampling. */
#include "tests/check.h"

#include "datasets/audio.h"
#include "datasets/file.h"
#include "tests/temporary_folder.h"

#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

static char path[TEMPORARY_PATH_BYTES];

static void assert_error(const tern_error *error, tern_status code, const char *words)
{
    if (error->code != code || !strstr(error->message, words) || !strstr(error->message, path))
        fail_msg("expected a %s error of %s with \"%s\", got %s: %s", tern_status_name(code), path,
                 words, tern_status_name(error->code), error->message);
}

static void write_sound(const char *name, int format, int channels, int rate, const float *values,
                        int frames)
{
    SF_INFO info = { .samplerate = rate, .channels = channels, .format = format };
    SNDFILE *file = sf_open(temporary_path(path, test_folder, name), SFM_WRITE, &info);
    assert_non_null(file);
    assert_int_equal(sf_writef_float(file, values, frames), frames);
    sf_close(file);
}

static void stereo_is_averaged_to_mono(void **state)
{
    (void)state;
    static const float values[8] = { 0.5f, 0.25f, -1, 1, 0.125f, 0.125f, -0.5f, -0.25f };
    static const float expected[4] = { 0.375f, 0, 0.125f, -0.375f };
    tern_audio audio;
    tern_error error = { 0 };
    write_sound("stereo.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, 44100, values, 4);
    assert_true(tern_audio_read(path, &audio, &error));
    assert_int_equal(audio.count, 4);
    assert_int_equal(audio.rate, 44100);
    assert_memory_equal(audio.samples, expected, sizeof expected);
    tern_audio_free(&audio);
}

static void expect_sound_error(tern_status code, const char *words)
{
    tern_audio audio = { 1, 1, NULL };
    tern_error error = { 0 };
    assert_false(tern_audio_read(path, &audio, &error));
    assert_error(&error, code, words);
    assert_null(audio.samples);
    assert_int_equal(audio.count, 0);
}

static void bad_sounds_are_named_with_the_reason(void **state)
{
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    static const float nothing[1] = { 0 }, broken[3] = { 0, NAN, 0 };
    temporary_path(path, test_folder, "missing.wav");
    expect_sound_error(TERN_ERR_IO, "No such file");
    temporary_file(path, test_folder, "empty.wav", "", 0);
    expect_sound_error(TERN_ERR_FORMAT, "is empty");
    temporary_file(path, test_folder, "pointer.wav", pointer, sizeof pointer - 1);
    expect_sound_error(TERN_ERR_FORMAT, "Git LFS pointer");
    temporary_file(path, test_folder, "text.wav", "hello, I am text", 16);
    expect_sound_error(TERN_ERR_FORMAT, "is not a sound file");
    write_sound("nothing.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 16000, nothing, 0);
    expect_sound_error(TERN_ERR_DATA, "no samples");
    write_sound("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1, 16000, broken, 3);
    expect_sound_error(TERN_ERR_FORMAT, "sample 1 is not finite");
}

/* Cut the file at path to `part` of its size. */
static void cut(double part)
{
    tern_error error = { 0 };
    size_t size;
    uint8_t *bytes = tern_file_read(path, &size, &error);
    assert_non_null(bytes);
    temporary_file(path, test_folder, "cut", bytes, (size_t)((double)size * part));
    free(bytes);
}

static void truncated_sounds_are_errors(void **state)
{
    (void)state;
    float wave[20000];
    for (int i = 0; i < 20000; i++)
        wave[i] = sinf((float)(i * i % 977)) * 0.5f;
    write_sound("whole.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 16000, wave, 20000);
    cut(0.9);
    expect_sound_error(TERN_ERR_FORMAT, "truncated WAV: its header says 40000");
    temporary_path(path, test_folder, "whole.wav");
    cut(0.0005); /* 20 bytes */
    expect_sound_error(TERN_ERR_FORMAT, "no data chunk");
    write_sound("whole.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, 16000, wave, 20000);
    cut(0.6);
    expect_sound_error(TERN_ERR_FORMAT, "");
}

static void resampling_keeps_a_tone_and_its_length(void **state)
{
    (void)state;
    enum { COUNT = 4800 };
    float wave[COUNT];
    tern_audio audio = { COUNT, 48000, wave }, resampled;
    tern_error error = { 0 };
    for (int i = 0; i < COUNT; i++)
        wave[i] = (float)sin(2 * M_PI * 440 * i / 48000);
    assert_true(tern_audio_resample(&audio, 16000, &resampled, &error));
    assert_int_equal(resampled.count, 1600);
    assert_int_equal(resampled.rate, 16000);
    for (int i = 400; i < 1200; i++)
        assert_true(fabs(resampled.samples[i] - sin(2 * M_PI * 440 * i / 16000)) < 1e-4);
    tern_audio_free(&resampled);
    assert_true(tern_audio_resample(&audio, 48000, &resampled, &error));
    assert_memory_equal(resampled.samples, wave, sizeof wave);
    tern_audio_free(&resampled);
    assert_false(tern_audio_resample(&audio, 0, &resampled, &error));
    assert_int_equal(error.code, TERN_ERR_ARGUMENT);
}

static void real_wavs_with_a_foreign_chunk_and_stereo_are_read(void **state)
{
    (void)state;
    static const char *const names[] = { "03-01-02-01-02-02-05.wav", "03-01-02-01-01-02-01.wav",
                                         "03-01-05-02-01-01-03.wav" };
    char name[64];
    tern_audio audio;
    tern_error error = { 0 };
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "ravdess_original_wav/%s", names[i]);
        if (!shared_data(path, name))
            skip();
        assert_true(tern_audio_read(path, &audio, &error));
        assert_int_equal(audio.rate, 48000);
        assert_true(audio.count > 2 * 48000 && audio.count < 6 * 48000);
        tern_audio_free(&audio);
    }
}

static void the_real_lfs_pointer_is_recognised(void **state)
{
    (void)state;
    if (!shared_data(path, "cremad/AudioWAV/1001_DFA_DIS_XX.wav"))
        skip();
    expect_sound_error(TERN_ERR_FORMAT, "Git LFS pointer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stereo_is_averaged_to_mono),
        cmocka_unit_test(bad_sounds_are_named_with_the_reason),
        cmocka_unit_test(truncated_sounds_are_errors),
        cmocka_unit_test(resampling_keeps_a_tone_and_its_length),
        cmocka_unit_test(real_wavs_with_a_foreign_chunk_and_stereo_are_read),
        cmocka_unit_test(the_real_lfs_pointer_is_recognised),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
