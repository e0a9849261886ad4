#include "tests/tiny_loader.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/tiny_media.h"

tern_clips *clips;
tern_vocabulary *vocabulary;

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
        temporary_path(face, test_folder, name);
        for (int frame = 0; frame < 3; frame++) {
            snprintf(name, sizeof name, "f%d/%d.png", number, frame);
            assert_true(tiny_png(temporary_path(path, test_folder, name), SIDE, SIDE, 3,
                                 number * 3 + frame));
        }
        snprintf(name, sizeof name, "a%d.wav", number);
        temporary_path(audio, test_folder, name);
        assert_true(tiny_sound(audio, 8000, 400 + number, number));
    } else if (kind == 1) {
        snprintf(name, sizeof name, "f%d.png", number);
        temporary_path(face, test_folder, name);
        assert_true(tiny_png(face, 12, 10, 1, number));
    } else {
        snprintf(name, sizeof name, "a%d.flac", number);
        temporary_path(audio, test_folder, name);
        assert_true(tiny_sound(audio, 16000, 2000 + number, number));
    }
    tern_clip clip = { id, TERN_TRAIN, NULL, number % 4, face, audio, kind == 2 ? NULL : text };
    assert_true(tern_clips_append(clips, &clip, &error));
}

int tiny_loader_make(void **state)
{
    static const char *const classes[] = { "a", "b", "c", "d" };
    static const char *const sentences[] = { "the number is odd", "the number is even" };
    tern_error error = { 0 };
    if (test_folder_make(state) != 0 || !(clips = tern_clips_new(&error)))
        return -1;
    tern_clips_set_classes(clips, classes, 4, &error);
    for (int number = 0; number < CLIPS; number++)
        make_clip(number);
    vocabulary = tern_vocabulary_build(sentences, 2, (tern_vocabulary_opts){ .min_count = 1 },
                                       &error);
    return vocabulary ? 0 : -1;
}

int tiny_loader_remove(void **state)
{
    tern_clips_free(clips);
    tern_vocabulary_free(vocabulary);
    return test_folder_remove(state);
}

const tern_loader_opts small = {
    .batch = 4, .frames = FRAMES, .height = SIDE, .width = SIDE, .seconds = 0.1, .tokens = TOKENS,
};

tern_loader_opts training(const tern_augment *augment)
{
    tern_loader_opts opts = small;
    opts.shuffle = true;
    opts.augment = augment;
    opts.seed = 7;
    return opts;
}

tern_loader *new_loader(const tern_clips *of, tern_loader_opts opts)
{
    tern_error error = { 0 };
    tern_loader *loader = tern_loader_new(of, vocabulary, opts, &error);
    if (!loader)
        fail_msg("%s", error.message);
    return loader;
}

void start(tern_loader *loader, uint32_t epoch)
{
    tern_error error = { 0 };
    assert_true(tern_loader_start(loader, epoch, &error));
}

const tern_batch *next(tern_loader *loader)
{
    tern_error error = { 0 };
    const tern_batch *batch = tern_loader_next(loader, &error);
    if (error.code)
        fail_msg("%s", error.message);
    return batch;
}

uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; byte && i < count; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

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

uint64_t epoch_hash(tern_loader *loader, uint32_t epoch)
{
    uint64_t hash = 14695981039346656037u;
    int64_t count = 0;
    start(loader, epoch);
    for (const tern_batch *batch; (batch = next(loader)); count++)
        hash = batch_hash(hash, batch);
    assert_int_equal(count, tern_loader_batches(loader));
    return hash;
}
