/* Decoded faces and sounds of one split, kept in memory up to a limit.
 *
 * A file that several clips share is decoded once.  What comes after the limit is
 * decoded each time it is asked for: an epoch visits everything once, so throwing
 * out what was used longest ago would throw out what comes back first.
 * All functions but new and free may be called from several threads at once.
 */
#ifndef TERN_DATASETS_MEDIA_H
#define TERN_DATASETS_MEDIA_H

#include "datasets/batch.h"
#include "datasets/clips.h"

typedef struct tern_media tern_media;

typedef struct tern_media_format {
    int frames, height, width, channels;
    int rate;
} tern_media_format;

/* One decoded file, or folder of frames.  Read only. */
typedef struct tern_media_item {
    bool cached;
    int frames;      /* a face: 1 to format.frames                   */
    uint8_t *pixels; /* [frames, height, width, channels]            */
    int64_t count;   /* a sound                                      */
    float *samples;  /* [count] at format.rate                       */
} tern_media_item;

/* clips must outlive the media. */
tern_media *tern_media_new(const tern_clips *clips, tern_split split, tern_media_format format,
                           int64_t cache_bytes, tern_error *error);
void tern_media_free(tern_media *media);

/* The face or sound of clip number `clip`, which has one.  NULL on failure.  Give
 * it back with tern_media_release. */
const tern_media_item *tern_media_get(tern_media *media, int64_t clip, tern_modality modality,
                                      tern_error *error);
void tern_media_release(const tern_media_item *item);

#endif
