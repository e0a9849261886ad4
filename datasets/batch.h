/* One batch of samples as host arrays, ready to be handed to tern_input.
 *
 * Batches are always full: the last one of an epoch is filled up with rows of
 * weight 0, all zero, so that every step has the same shapes.
 * Arrays of a modality that was not asked for are NULL.
 */
#ifndef TERN_DATASETS_BATCH_H
#define TERN_DATASETS_BATCH_H

#include "core/error.h"

#include <stdint.h>

typedef enum tern_modality {
    TERN_FACE = 0,
    TERN_AUDIO,
    TERN_TEXT,
    TERN_MODALITY_COUNT
} tern_modality;

/* Sets of modalities, for options. */
enum {
    TERN_WANT_FACE = 1 << TERN_FACE,
    TERN_WANT_AUDIO = 1 << TERN_AUDIO,
    TERN_WANT_TEXT = 1 << TERN_TEXT,
    TERN_WANT_ALL = TERN_WANT_FACE | TERN_WANT_AUDIO | TERN_WANT_TEXT
};

extern const char *const tern_modality_names[TERN_MODALITY_COUNT + 1]; /* "face", ..., NULL */

/* What the arrays' extents are. */
typedef struct tern_batch_shape {
    int rows;                   /* N                                           */
    unsigned modalities;        /* TERN_WANT_...                               */
    int frames, height, width, channels;
    int64_t samples;            /* S                                           */
    int tokens;                 /* L                                           */
} tern_batch_shape;

typedef struct tern_batch {
    tern_batch_shape shape;
    int filled;            /* rows of weight 1, the first ones                   */

    float *face;           /* [N, frames, height, width, channels], (x/255-0.5)/0.5 */
    uint8_t *face_mask;    /* [N, frames], 1 = a frame is there                  */
    float *audio;          /* [N, S], zero after the end                         */
    int32_t *audio_length; /* [N], samples up to the end                         */
    int32_t *tokens;       /* [N, L]                                             */
    uint8_t *token_mask;   /* [N, L]                                             */

    uint8_t *has[TERN_MODALITY_COUNT]; /* [N] each: the sample has the modality; a
                                          modality that was not asked for: 0     */
    int32_t *label;        /* [N]                                                */
    float *row_weight;     /* [N], 1 or 0                                        */
    int64_t *clip;         /* [N], the sample's index in the clips; -1 for rows of
                              weight 0 and samples drawn from pools              */
    int64_t *source;       /* [N, 3], the clip each modality came from, -1: none */
} tern_batch;

/* Allocate all arrays, zeroed.  NULL on failure. */
tern_batch *tern_batch_new(tern_batch_shape shape, tern_error *error);
void tern_batch_free(tern_batch *batch);

/* Back to what tern_batch_new gave. */
void tern_batch_clear(tern_batch *batch);

#endif
