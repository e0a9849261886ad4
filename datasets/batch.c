/* See batch.h. */
#include "datasets/batch.h"

#include <stdlib.h>
#include <string.h>

const char *const tern_modality_names[TERN_MODALITY_COUNT + 1] = { "face", "audio", "text", NULL };

/* One array of a batch: where its pointer is kept, and its size. */
typedef struct batch_array {
    void **pointer;
    size_t element, per_row;
} batch_array;

enum { MAX_ARRAYS = 16 };

/* List the arrays that this shape has. */
static int list_arrays(tern_batch *batch, batch_array list[MAX_ARRAYS])
{
    const tern_batch_shape *shape = &batch->shape;
    size_t frames = (size_t)shape->frames;
    size_t pixels = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    int count = 0;

    if (shape->modalities & TERN_WANT_FACE) {
        list[count++] = (batch_array){ (void **)&batch->face, sizeof(float), frames * pixels };
        list[count++] = (batch_array){ (void **)&batch->face_mask, 1, frames };
    }
    if (shape->modalities & TERN_WANT_AUDIO) {
        list[count++] =
            (batch_array){ (void **)&batch->audio, sizeof(float), (size_t)shape->samples };
        list[count++] = (batch_array){ (void **)&batch->audio_length, sizeof(int32_t), 1 };
    }
    if (shape->modalities & TERN_WANT_TEXT) {
        size_t tokens = (size_t)shape->tokens;
        list[count++] = (batch_array){ (void **)&batch->tokens, sizeof(int32_t), tokens };
        list[count++] = (batch_array){ (void **)&batch->token_mask, 1, tokens };
    }
    for (int m = 0; m < TERN_MODALITY_COUNT; m++)
        list[count++] = (batch_array){ (void **)&batch->has[m], 1, 1 };
    list[count++] = (batch_array){ (void **)&batch->label, sizeof(int32_t), 1 };
    list[count++] = (batch_array){ (void **)&batch->row_weight, sizeof(float), 1 };
    list[count++] = (batch_array){ (void **)&batch->clip, sizeof(int64_t), 1 };
    list[count++] =
        (batch_array){ (void **)&batch->source, sizeof(int64_t), TERN_MODALITY_COUNT };
    return count;
}

/* Extents small enough that no product of them overflows. */
static bool check_shape(const tern_batch_shape *shape, tern_error *error)
{
    const struct {
        const char *name;
        int64_t value, highest;
        unsigned of; /* the modality it belongs to, 0: all */
    } extents[] = {
        { "rows", shape->rows, 1 << 16, 0 },
        { "frames", shape->frames, 1 << 12, TERN_WANT_FACE },
        { "height", shape->height, 1 << 12, TERN_WANT_FACE },
        { "width", shape->width, 1 << 12, TERN_WANT_FACE },
        { "samples", shape->samples, 1 << 28, TERN_WANT_AUDIO },
        { "tokens", shape->tokens, 1 << 16, TERN_WANT_TEXT },
    };
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        bool used = extents[i].of == 0 || (extents[i].of & shape->modalities);
        if (used && (extents[i].value < 1 || extents[i].value > extents[i].highest))
            return tern_error_set(error, TERN_ERR_OPTION, "batch: %lld %s; 1 to %lld",
                                  (long long)extents[i].value, extents[i].name,
                                  (long long)extents[i].highest);
    }
    if ((shape->modalities & TERN_WANT_FACE) && shape->channels != 1 && shape->channels != 3)
        return tern_error_set(error, TERN_ERR_OPTION, "batch: %d channels; 1 or 3",
                              shape->channels);
    if (!shape->modalities || (shape->modalities & ~(unsigned)TERN_WANT_ALL))
        return tern_error_set(error, TERN_ERR_OPTION,
                              "batch: modalities 0x%x; a set of face 1, audio 2, text 4",
                              shape->modalities);
    return true;
}

tern_batch *tern_batch_new(tern_batch_shape shape, tern_error *error)
{
    batch_array list[MAX_ARRAYS];
    if (error->code || !check_shape(&shape, error))
        return NULL;
    tern_batch *batch = calloc(1, sizeof *batch);
    if (!batch) {
        tern_error_set(error, TERN_ERR_MEMORY, "batch: no memory");
        return NULL;
    }
    batch->shape = shape;
    int count = list_arrays(batch, list);
    for (int i = 0; i < count; i++) {
        *list[i].pointer = calloc((size_t)shape.rows * list[i].per_row, list[i].element);
        if (!*list[i].pointer) {
            tern_error_set(error, TERN_ERR_MEMORY, "batch: no memory for %d rows of %zu values",
                           shape.rows, list[i].per_row);
            tern_batch_free(batch);
            return NULL;
        }
    }
    tern_batch_clear(batch);
    return batch;
}

void tern_batch_free(tern_batch *batch)
{
    batch_array list[MAX_ARRAYS];
    if (!batch)
        return;
    int count = list_arrays(batch, list);
    for (int i = 0; i < count; i++)
        free(*list[i].pointer);
    free(batch);
}

void tern_batch_clear(tern_batch *batch)
{
    batch_array list[MAX_ARRAYS];
    int count = list_arrays(batch, list);
    for (int i = 0; i < count; i++)
        memset(*list[i].pointer, 0, (size_t)batch->shape.rows * list[i].per_row * list[i].element);
    for (int64_t row = 0; row < batch->shape.rows; row++) {
        batch->clip[row] = -1;
        for (int m = 0; m < TERN_MODALITY_COUNT; m++)
            batch->source[row * TERN_MODALITY_COUNT + m] = -1;
    }
    batch->filled = 0;
}
