/* Mono sound in memory, and sound files.
 *
 * samples are floats, full scale is [-1, 1], owned by the struct; a zeroed struct
 * is a valid empty sound and tern_audio_free makes one of any sound.  Every
 * function returns true on success; on failure the error is set and the result
 * is empty.  Called with an error already set, they do nothing.
 */
#ifndef TERN_DATASETS_AUDIO_H
#define TERN_DATASETS_AUDIO_H

#include "core/error.h"

#include <stdint.h>

typedef struct tern_audio {
    int64_t count; /* samples                 */
    int rate;      /* samples a second        */
    float *samples;
} tern_audio;

/* Longest sound that is read: 2^28 samples, 1 GiB, 4.6 hours at 16 kHz. */
#define TERN_AUDIO_MAX_SAMPLES ((int64_t)1 << 28)
/* Largest value of a sample that is read.  Files of floats may be beyond full scale, up to
 * whole numbers of 32 bits that were never scaled; what is larger is no sound, and its
 * spectrogram would overflow. */
#define TERN_AUDIO_MAX_VALUE 2147483648.0

/* Read WAV, FLAC or any other format of libsndfile; channels are averaged to
 * mono.  Errors: TERN_ERR_IO if the file cannot be read, TERN_ERR_FORMAT if it is
 * no sound file, a Git LFS pointer, truncated (a WAV shorter than its header
 * says, a FLAC that ends early), corrupt or not finite, TERN_ERR_DATA if it holds
 * no samples, too many, or one beyond TERN_AUDIO_MAX_VALUE. */
bool tern_audio_read(const char *path, tern_audio *audio, tern_error *error);

/* Change the sampling rate: libsoxr at its high quality, librosa's default
 * ("soxr_hq").  At the same rate it is a copy.  The result has
 * round(count * rate / audio->rate) samples. */
bool tern_audio_resample(const tern_audio *audio, int rate, tern_audio *resampled,
                         tern_error *error);

/* Write as 16-bit PCM mono WAV; samples beyond full scale are clipped. */
bool tern_audio_write_wav(const char *path, const tern_audio *audio, tern_error *error);

void tern_audio_free(tern_audio *audio);

#endif
