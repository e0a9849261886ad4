/* Reading sound with libsndfile and resampling with libsoxr; see audio.h. */
#include "datasets/audio.h"

#include "datasets/file.h"

#include <math.h>
#include <sndfile.h>
#include <soxr.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 64, MAX_RATE = 768000, BLOCK_VALUES = 32768 };

/* A file in memory, as libsndfile reads it. */
typedef struct sound_bytes {
    const uint8_t *bytes;
    sf_count_t size, at;
} sound_bytes;

static sf_count_t bytes_length(void *user)
{
    return ((sound_bytes *)user)->size;
}

static sf_count_t bytes_seek(sf_count_t offset, int whence, void *user)
{
    sound_bytes *source = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source->at : source->size;
    if (offset < -from || offset > source->size - from)
        return -1;
    return source->at = from + offset;
}

static sf_count_t bytes_read(void *to, sf_count_t count, void *user)
{
    sound_bytes *source = user;
    if (count > source->size - source->at)
        count = source->size - source->at;
    memcpy(to, source->bytes + source->at, (size_t)count);
    source->at += count;
    return count;
}

static sf_count_t bytes_write(const void *from, sf_count_t count, void *user)
{
    (void)from, (void)count, (void)user;
    return 0;
}

static sf_count_t bytes_tell(void *user)
{
    return ((sound_bytes *)user)->at;
}

static uint32_t little_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

/* libsndfile quietly shortens a WAV whose data chunk is cut off, so walk the
 * chunks ourselves: "RIFF" size "WAVE", then id (4), size (4), content, padded to
 * an even length.  A stream that could not know its length says 0xFFFFFFFF. */
static bool check_wav_complete(const uint8_t *bytes, size_t size, const char *path,
                               tern_error *error)
{
    if (size < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return true;
    for (size_t at = 12; size - at >= 8;) {
        uint32_t length = little_endian(bytes + at + 4);
        size_t left = size - at - 8;
        if (memcmp(bytes + at, "data", 4) == 0) {
            if (length == UINT32_MAX || length <= left)
                return true;
            return tern_error_set(error, TERN_ERR_FORMAT,
                                  "%s: truncated WAV: its header says %u bytes of samples, %zu are "
                                  "there", path, length, left);
        }
        size_t padded = (size_t)length + (length & 1);
        if (padded > left)
            break;
        at += 8 + padded;
    }
    return tern_error_set(error, TERN_ERR_FORMAT, "%s: truncated or corrupt WAV: no data chunk",
                          path);
}

/* Room for `count` samples in all. */
static bool grow(tern_audio *audio, int64_t *room, int64_t count, const char *path,
                 tern_error *error)
{
    if (count <= *room)
        return true;
    int64_t wanted = 2 * *room > count ? 2 * *room : count;
    float *larger = realloc(audio->samples, (size_t)wanted * sizeof *larger);
    if (!larger)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %lld samples", path,
                              (long long)wanted);
    audio->samples = larger;
    *room = wanted;
    return true;
}

/* Append frames of `channels` interleaved values as their means. */
static bool append_mono(tern_audio *audio, const float *block, int64_t frames, int channels,
                        const char *path, tern_error *error)
{
    for (int64_t i = 0; i < frames; i++) {
        double sum = 0;
        for (int c = 0; c < channels; c++)
            sum += block[i * channels + c];
        if (!isfinite(sum))
            return tern_error_set(error, TERN_ERR_FORMAT, "%s: sample %lld is not finite", path,
                                  (long long)audio->count);
        if (fabs(sum / channels) > TERN_AUDIO_MAX_VALUE)
            return tern_error_set(error, TERN_ERR_DATA,
                                  "%s: sample %lld is %g; full scale is 1, and more than %g is no "
                                  "sound", path, (long long)audio->count, sum / channels,
                                  TERN_AUDIO_MAX_VALUE);
        audio->samples[audio->count++] = (float)(sum / channels);
    }
    return true;
}

static bool read_samples(SNDFILE *file, const SF_INFO *info, const char *path, tern_audio *audio,
                         tern_error *error)
{
    if (info->channels < 1 || info->channels > MAX_CHANNELS || info->samplerate < 1 ||
        info->samplerate > MAX_RATE)
        return tern_error_set(error, TERN_ERR_DATA,
                              "%s: %d channels at %d Hz; 1 to %d channels, 1 to %d Hz are read",
                              path, info->channels, info->samplerate, MAX_CHANNELS, MAX_RATE);
    float block[BLOCK_VALUES];
    int64_t frames_at_once = BLOCK_VALUES / info->channels, room = 0;
    audio->rate = info->samplerate;
    for (;;) {
        int64_t got = sf_readf_float(file, block, frames_at_once);
        if (got <= 0)
            break;
        if (audio->count + got > TERN_AUDIO_MAX_SAMPLES)
            return tern_error_set(error, TERN_ERR_DATA, "%s: more than %lld samples", path,
                                  (long long)TERN_AUDIO_MAX_SAMPLES);
        if (!grow(audio, &room, audio->count + got, path, error) ||
            !append_mono(audio, block, got, info->channels, path, error))
            return false;
    }
    if (sf_error(file) != SF_ERR_NO_ERROR)
        return tern_error_set(error, TERN_ERR_FORMAT, "%s: corrupt after %lld samples: %s", path,
                              (long long)audio->count, sf_strerror(file));
    if (audio->count < info->frames && info->frames < TERN_AUDIO_MAX_SAMPLES)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: truncated: its header says %lld samples, %lld are there", path,
                              (long long)info->frames, (long long)audio->count);
    if (audio->count == 0)
        return tern_error_set(error, TERN_ERR_DATA, "%s: holds no samples", path);
    return true;
}

static bool decode_sound(const uint8_t *bytes, size_t size, const char *path, tern_audio *audio,
                         tern_error *error)
{
    SF_VIRTUAL_IO reader = { bytes_length, bytes_seek, bytes_read, bytes_write, bytes_tell };
    sound_bytes source = { bytes, (sf_count_t)size, 0 };
    SF_INFO info = { 0 };
    if (!check_wav_complete(bytes, size, path, error))
        return false;
    SNDFILE *file = sf_open_virtual(&reader, SFM_READ, &info, &source);
    if (!file)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s: is not a sound file that libsndfile can read", path);
    bool ok = read_samples(file, &info, path, audio, error);
    sf_close(file);
    return ok;
}

bool tern_audio_read(const char *path, tern_audio *audio, tern_error *error)
{
    *audio = (tern_audio){ 0 };
    size_t size;
    uint8_t *bytes = tern_file_read(path, &size, error);
    if (!bytes)
        return false;
    bool ok = decode_sound(bytes, size, path, audio, error);
    free(bytes);
    if (!ok)
        tern_audio_free(audio);
    return ok;
}

bool tern_audio_resample(const tern_audio *audio, int rate, tern_audio *resampled,
                         tern_error *error)
{
    *resampled = (tern_audio){ 0 };
    if (error->code)
        return false;
    if (audio->count < 1 || audio->rate < 1 || rate < 1 || rate > MAX_RATE)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "resample: %lld samples at %d Hz to %d Hz; rates are 1 to %d",
                              (long long)audio->count, audio->rate, rate, MAX_RATE);
    double exact = (double)audio->count * rate / audio->rate;
    if (exact > (double)TERN_AUDIO_MAX_SAMPLES)
        return tern_error_set(error, TERN_ERR_DATA, "resample: %.0f samples; at most %lld", exact,
                              (long long)TERN_AUDIO_MAX_SAMPLES);
    int64_t count = (int64_t)floor(exact + 0.5);
    count = count > 0 ? count : 1;
    float *samples = calloc((size_t)count, sizeof *samples);
    if (!samples)
        return tern_error_set(error, TERN_ERR_MEMORY, "resample: no memory for %lld samples",
                              (long long)count);
    *resampled = (tern_audio){ count, rate, samples };
    if (rate == audio->rate) {
        memcpy(samples, audio->samples, (size_t)count * sizeof *samples);
        return true;
    }
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    size_t written = 0;
    soxr_error_t failure =
        soxr_oneshot(audio->rate, rate, 1, audio->samples, (size_t)audio->count, NULL, samples,
                     (size_t)count, &written, NULL, &quality, NULL);
    if (failure) {
        tern_audio_free(resampled);
        return tern_error_set(error, TERN_ERR_DATA, "resample: %d Hz to %d Hz: %s", audio->rate,
                              rate, failure);
    }
    return true;
}

void tern_audio_free(tern_audio *audio)
{
    free(audio->samples);
    *audio = (tern_audio){ 0 };
}
