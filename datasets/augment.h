/* Random changes of training samples.
 *
 * Every number comes from a Philox stream of (seed, epoch, sample, modality): a
 * sample is changed the same way whichever thread prepares it, and switching one
 * modality's changes on leaves the others' as they were.
 */
#ifndef TERN_DATASETS_AUGMENT_H
#define TERN_DATASETS_AUGMENT_H

#include "core/rng.h"

#include <stdbool.h>
#include <stdint.h>

/* Strengths; zero is off. */
typedef struct tern_augment {
    /* faces: all frames of a clip alike */
    double flip;       /* probability of a mirror image                        */
    double shift;      /* up to this part of the side, each way                */
    double rotate;     /* up to so many degrees, each way                      */
    double zoom;       /* scale uniform in 1 - zoom .. 1 + zoom                */
    double brightness; /* added, up to this part of full scale, each way       */
    double contrast;   /* factor uniform in 1 - contrast .. 1 + contrast, about
                          the clip's mean                                      */
    double erase;      /* probability that a rectangle is blanked              */
    /* sound */
    double gain_db;    /* up to so much louder or softer                       */
    double speed;      /* played 1 - speed .. 1 + speed times as fast, and as high:
                          another speaker (Ko et al. 2015)                     */
    double noise;      /* probability of white noise                           */
    double noise_snr_low_db, noise_snr_high_db; /* its ratio, uniform          */
    double time_shift; /* silence of up to so many seconds before a clip that is
                          shorter than the window                              */
    bool crop;         /* a longer clip starts anywhere, not in the middle      */
    /* text */
    double word_drop;  /* probability for a word to become unknown             */
} tern_augment;

/* Flip 0.5, shift 0.1, rotate 10, zoom 0.1, brightness 0.1, contrast 0.2, erase
 * 0.25; gain 6, speed 0.1, noise 0.5 at 10 to 30 dB, time shift 0.25, crop; word
 * drop 0.1. */
tern_augment tern_augment_standard(void);

/* frames [frames, height, width, channels] 8 bits -> values the same shape,
 * (x/255-0.5)/0.5.  With augment NULL only the scaling. */
void tern_augment_face(const tern_augment *augment, tern_rng rng, const uint8_t *frames,
                       int frame_count, int height, int width, int channels, float *values);

/* Cut or place a sound of count samples in a window of `length` samples.  Returns
 * the samples up to the sound's end, <= length; the rest is zero. */
int32_t tern_augment_audio(const tern_augment *augment, tern_rng rng, const float *samples,
                           int64_t count, int rate, float *window, int64_t length);

/* ids [length] in place; [CLS] and padding stay. */
void tern_augment_text(const tern_augment *augment, tern_rng rng, int32_t *ids,
                       const uint8_t *mask, int length);

#endif
