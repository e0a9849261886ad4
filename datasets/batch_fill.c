/* See batch_fill.h. */
#include "datasets/batch_fill.h"

#include <string.h>

/* Which row shows what. */
typedef struct row_place {
    tern_batch *batch;
    int row;
    int64_t sample; /* of the epoch                       */
    int64_t clip;   /* that the modality comes from       */
} row_place;

/* The stream of one sample's changes of one modality: 2^32 numbers each. */
static tern_rng sample_rng(const tern_batch_filler *filler, int64_t sample, tern_modality modality)
{
    tern_rng rng =
        tern_rng_make(filler->seed, TERN_STREAM_AUGMENT + (uint32_t)modality, filler->epoch);
    rng.next = (uint64_t)sample << 32;
    return rng;
}

static bool fill_face(const tern_batch_filler *filler, row_place at, tern_error *error)
{
    const tern_batch_shape *shape = &at.batch->shape;
    int64_t first_frame = (int64_t)at.row * shape->frames;
    int64_t frame_values = (int64_t)shape->height * shape->width * shape->channels;
    const tern_media_item *item = tern_media_get(filler->media, at.clip, TERN_FACE, error);
    if (!item)
        return false;
    tern_augment_face(filler->augment, sample_rng(filler, at.sample, TERN_FACE), item->pixels,
                      item->frames, shape->height, shape->width, shape->channels,
                      at.batch->face + first_frame * frame_values);
    memset(at.batch->face_mask + first_frame, 1, (size_t)item->frames);
    tern_media_release(item);
    return true;
}

static bool fill_audio(const tern_batch_filler *filler, row_place at, tern_error *error)
{
    int64_t samples = at.batch->shape.samples;
    const tern_media_item *item = tern_media_get(filler->media, at.clip, TERN_AUDIO, error);
    if (!item)
        return false;
    at.batch->audio_length[at.row] =
        tern_augment_audio(filler->augment, sample_rng(filler, at.sample, TERN_AUDIO),
                           item->samples, item->count, filler->rate,
                           at.batch->audio + at.row * samples, samples);
    tern_media_release(item);
    return true;
}

static bool fill_text(const tern_batch_filler *filler, row_place at, tern_error *error)
{
    int length = at.batch->shape.tokens;
    int32_t *ids = at.batch->tokens + (int64_t)at.row * length;
    uint8_t *mask = at.batch->token_mask + (int64_t)at.row * length;
    if (!tern_vocabulary_encode(filler->vocabulary, filler->clips->clip[at.clip].text, length, ids,
                                mask, error))
        return false;
    tern_augment_text(filler->augment, sample_rng(filler, at.sample, TERN_TEXT), ids, mask, length);
    return true;
}

bool tern_batch_fill_row(const tern_batch_filler *filler, tern_batch *batch, int row,
                         int64_t sample, const tern_sample_row *from, tern_error *error)
{
    static bool (*const fill[TERN_MODALITY_COUNT])(const tern_batch_filler *, row_place,
                                                   tern_error *) = { fill_face, fill_audio,
                                                                     fill_text };
    batch->label[row] = from->label;
    batch->row_weight[row] = 1;
    batch->clip[row] = from->clip;
    for (int m = 0; m < TERN_MODALITY_COUNT; m++) {
        int64_t clip = from->source[m];
        if (clip < 0 || !(batch->shape.modalities & 1u << m))
            continue;
        if (!fill[m](filler, (row_place){ batch, row, sample, clip }, error)) {
            tern_error_prefix(error, "clip %s", filler->clips->clip[clip].id);
            return false;
        }
        batch->has[m][row] = 1;
        batch->source[row * TERN_MODALITY_COUNT + m] = clip;
    }
    return true;
}
