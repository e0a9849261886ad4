/* log_mel against librosa's spectrograms (tests/fixtures/make_log_mel.py), and what
 * clips of a batch must not do to each other. */
#include "tests/check.h"

#include "core/rng.h"
#include "core/safetensors.h"
#include "kernels/log_mel/log_mel.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE "tests/fixtures/log_mel.safetensors"

static tern_ctx *open_device(const char *device, const char *simd, int threads)
{
    tern_error error = { 0 };
    tern_ctx_opts opts = { .device = device, .simd = simd, .threads = threads, .poison = true };
    tern_ctx *ctx = tern_open(opts, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
    return ctx;
}

/* "n_fft=256 htk=true" */
static tern_log_mel_opts parse_options(const char *text)
{
    tern_log_mel_opts opts = { 0 };
    tern_error error = { 0 };
    char copy[512];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *item = strtok(copy, " "); item; item = strtok(NULL, " ")) {
        char *value = strchr(item, '=');
        *value++ = '\0';
        if (!tern_option_parse(&tern_op_log_mel, &opts, item, value, &error))
            fail_msg("%s", error.message);
    }
    return opts;
}

static const tern_stored *find(const tern_safetensors *file, int number, const char *name)
{
    char full[64];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%d/%s", number, name);
    const tern_stored *stored = tern_safetensors_find(file, full, &error);
    if (!stored)
        fail_msg("%s", error.message);
    return stored;
}

static void check_case(tern_ctx *ctx, const tern_safetensors *file, int number, double tolerance)
{
    const tern_stored *waveform = find(file, number, "waveform");
    const tern_stored *lengths = find(file, number, "lengths"), *mel = find(file, number, "mel");
    char key[64];
    snprintf(key, sizeof key, "%d.options", number);
    tern_log_mel_opts opts = parse_options(tern_safetensors_metadata(file, key));
    int64_t hop = opts.hop ? opts.hop : 160, frames = mel->shape[1], filters = mel->shape[2];

    tern_tensor *mask;
    tern_tensor *out = tern_log_mel(
        ctx, tern_input(ctx, "waveform", TERN_F32, 2, waveform->shape, waveform->data),
        tern_input(ctx, "lengths", TERN_I32, 1, lengths->shape, lengths->data), &mask, opts);
    assert_tern_ok(ctx);
    assert_int_equal(out->count, mel->count);
    double *got = malloc((size_t)mel->count * sizeof *got);
    uint8_t *valid = malloc((size_t)mask->count);
    tern_read(ctx, out, TERN_F64, got);
    tern_read(ctx, mask, TERN_U8, valid);
    for (int64_t i = 0; i < mel->count; i++) {
        double wanted = ((const double *)mel->data)[i];
        if (!(fabs(got[i] - wanted) <= tolerance))
            fail_msg("case %d, element %lld: %.10g dB, librosa has %.10g", number, (long long)i,
                     got[i], wanted);
        int64_t length = ((const int32_t *)lengths->data)[i / filters / frames];
        assert_int_equal(valid[i / filters], i / filters % frames < 1 + length / hop);
    }
    free(got);
    free(valid);
}

static void check_fixture(const char *device, const char *simd, double tolerance)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(FIXTURE, &error);
    if (!file)
        fail_msg("%s", error.message);
    tern_ctx *ctx = open_device(device, simd, 1);
    int cases = atoi(tern_safetensors_metadata(file, "cases"));
    assert_true(cases > 0);
    for (int number = 0; number < cases; number++)
        check_case(ctx, file, number, tolerance);
    tern_ctx_free(ctx);
    tern_safetensors_close(file);
}

static void ref_equals_librosa(void **state)
{
    (void)state;
    check_fixture("ref", NULL, 1e-9);
}

static void every_simd_level_equals_librosa(void **state)
{
    (void)state;
    const char *levels[8];
    for (int i = 0, count = tern_simd_levels(levels); i < count; i++)
        check_fixture("cpu", levels[i], 2e-3);
}

enum { CLIPS = 3, SAMPLES = 20011, MELS = 64, FRAMES = 1 + SAMPLES / 160 };
static const int64_t CLIP_SHAPE[] = { CLIPS, SAMPLES };

static float *noise(void)
{
    float *samples = malloc(CLIPS * SAMPLES * sizeof *samples);
    tern_rng rng = tern_rng_make(1, TERN_STREAM_TEST, 0);
    assert_non_null(samples);
    for (int i = 0; i < CLIPS * SAMPLES; i++)
        samples[i] = (float)(0.1 * tern_rng_normal(&rng));
    return samples;
}

static float *spectrogram(int threads, const float *samples, const int32_t *lengths)
{
    float *mel = malloc(CLIPS * FRAMES * MELS * sizeof *mel);
    tern_ctx *ctx = open_device("cpu", NULL, threads);
    tern_tensor *counts =
        lengths ? tern_input(ctx, "lengths", TERN_I32, 1, CLIP_SHAPE, lengths) : NULL;
    tern_tensor *waveform = tern_input(ctx, "waveform", TERN_F32, 2, CLIP_SHAPE, samples);
    assert_non_null(mel);
    tern_read(ctx, tern_log_mel(ctx, waveform, counts, NULL, (tern_log_mel_opts){ 0 }), TERN_F32,
              mel);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    return mel;
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    const int32_t lengths[] = { SAMPLES, 0, 12345 };
    float *samples = noise();
    float *one = spectrogram(1, samples, lengths), *two = spectrogram(2, samples, lengths);
    assert_memory_equal(one, two, CLIPS * FRAMES * MELS * sizeof *one);
    free(one);
    free(two);
    free(samples);
}

static void what_lies_behind_a_clips_end_does_not_count(void **state)
{
    (void)state;
    const int32_t lengths[] = { 5000, 0, SAMPLES };
    float *samples = noise();
    float *one = spectrogram(1, samples, lengths);
    for (int i = 5000; i < 2 * SAMPLES; i++)
        samples[i] = i % 2 ? NAN : 1e20f;
    float *two = spectrogram(1, samples, lengths);
    assert_memory_equal(one, two, CLIPS * FRAMES * MELS * sizeof *one);
    for (int i = FRAMES * MELS; i < 2 * FRAMES * MELS; i++)
        assert_true(one[i] == 0); /* the empty clip */
    free(one);
    free(two);
    free(samples);
}

/* A clip of one sample value everywhere zero is at the least audible power. */
static void silence_is_minus_100_db(void **state)
{
    (void)state;
    float *samples = calloc(CLIPS * SAMPLES, sizeof *samples);
    float *mel = spectrogram(1, samples, NULL);
    for (int i = 0; i < CLIPS * FRAMES * MELS; i++)
        assert_float_equal(mel[i], -100, 1e-4);
    free(mel);
    free(samples);
}

static void bad_lengths_and_options_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        int32_t length;
        tern_status status;
        const char *message;
    } cases[] = {
        { "", 101, TERN_ERR_DATA, "lengths[1] is 101" },
        { "", -1, TERN_ERR_DATA, "lengths[1] is -1" },
        { "n_fft=28", 1, TERN_ERR_OPTION, "n_fft 28" },
        { "n_fft=45", 1, TERN_ERR_OPTION, "n_fft 45" },
        { "n_fft=128", 1, TERN_ERR_OPTION, "window 400 is longer" },
        { "fmin=4000 fmax=3000", 1, TERN_ERR_OPTION, "fmin 4000" },
        { "fmax=9000", 1, TERN_ERR_OPTION, "half the sample rate, 8000" },
    };
    const char *const devices[] = { "ref", "cpu" };
    const float samples[200] = { 0 };

    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        tern_ctx *ctx = open_device(devices[i % 2], NULL, 1);
        const int32_t lengths[] = { 100, cases[i / 2].length };
        tern_log_mel(ctx, tern_input(ctx, "x", TERN_F32, 2, (int64_t[]){ 2, 100 }, samples),
                     tern_input(ctx, "n", TERN_I32, 1, (int64_t[]){ 2 }, lengths), NULL,
                     parse_options(cases[i / 2].options));
        assert_tern_fails(ctx, cases[i / 2].status, cases[i / 2].message);
        tern_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_equals_librosa),
        cmocka_unit_test(every_simd_level_equals_librosa),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(what_lies_behind_a_clips_end_does_not_count),
        cmocka_unit_test(silence_is_minus_100_db),
        cmocka_unit_test(bad_lengths_and_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
