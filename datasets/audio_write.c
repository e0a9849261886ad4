/* Writing WAV files; see audio.h. */
#include "datasets/audio.h"

#include "datasets/file.h"

#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

enum { WAV_HEADER_BYTES = 4096 }; /* more than libsndfile puts before the samples */

/* A file in memory, for libsndfile to write into. */
typedef struct memory_file {
    uint8_t *bytes;
    sf_count_t room, size, at;
} memory_file;

static sf_count_t memory_size(void *user)
{
    return ((memory_file *)user)->size;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
    memory_file *file = user;
    sf_count_t from = whence == SEEK_CUR ? file->at : whence == SEEK_END ? file->size : 0;
    if (from + offset < 0 || from + offset > file->room)
        return -1;
    return file->at = from + offset;
}

static sf_count_t memory_read(void *bytes, sf_count_t count, void *user)
{
    memory_file *file = user;
    if (count > file->size - file->at)
        count = file->size - file->at;
    memcpy(bytes, file->bytes + file->at, (size_t)count);
    file->at += count;
    return count;
}

static sf_count_t memory_write(const void *bytes, sf_count_t count, void *user)
{
    memory_file *file = user;
    if (count > file->room - file->at)
        count = file->room - file->at;
    memcpy(file->bytes + file->at, bytes, (size_t)count);
    file->at += count;
    if (file->size < file->at)
        file->size = file->at;
    return count;
}

static sf_count_t memory_tell(void *user)
{
    return ((memory_file *)user)->at;
}

/* The inverse of reading, where full scale is 32768: a sound that was read from
 * 16 bits is written as it was. */
static bool to_pcm16(const char *path, const tern_audio *audio, short *pcm, tern_error *error)
{
    for (int64_t i = 0; i < audio->count; i++) {
        float scaled = audio->samples[i] * 32768.0f;
        if (!isfinite(scaled))
            return tern_error_set(error, TERN_ERR_DATA,
                                  "%s: sample %lld of the sound to write is %g", path,
                                  (long long)i, (double)audio->samples[i]);
        scaled = scaled > 32767.0f ? 32767.0f : scaled < -32768.0f ? -32768.0f : scaled;
        pcm[i] = (short)lrintf(scaled);
    }
    return true;
}

static bool encode_wav(const char *path, const tern_audio *audio, const short *pcm,
                       memory_file *file, tern_error *error)
{
    SF_VIRTUAL_IO io = { memory_size, memory_seek, memory_read, memory_write, memory_tell };
    SF_INFO info = { .samplerate = audio->rate, .channels = 1,
                     .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16 };
    SNDFILE *sound = sf_open_virtual(&io, SFM_WRITE, &info, file);
    if (!sound)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "%s: cannot be encoded at %d Hz: %s", path,
                              audio->rate, sf_strerror(NULL));
    bool ok = sf_writef_short(sound, pcm, audio->count) == audio->count;
    if (!ok)
        tern_error_set(error, TERN_ERR_IO, "%s: cannot be encoded: %s", path, sf_strerror(sound));
    if (sf_close(sound) != 0 && ok)
        ok = tern_error_set(error, TERN_ERR_IO, "%s: cannot be encoded", path);
    return ok;
}

bool tern_audio_write_wav(const char *path, const tern_audio *audio, tern_error *error)
{
    if (error->code)
        return false;
    if (audio->count < 1 || audio->count > TERN_AUDIO_MAX_SAMPLES || audio->rate < 1)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "%s: a sound of %lld samples at %d Hz cannot be written", path,
                              (long long)audio->count, audio->rate);
    size_t count = (size_t)audio->count;
    memory_file file = { .room = (sf_count_t)(count * sizeof(short)) + WAV_HEADER_BYTES };
    file.bytes = malloc((size_t)file.room);
    short *pcm = malloc(count * sizeof *pcm);
    bool ok = file.bytes && pcm;
    if (!ok)
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %zu samples", path, count);
    ok = ok && to_pcm16(path, audio, pcm, error) && encode_wav(path, audio, pcm, &file, error) &&
         tern_file_replace_unsynced(path, file.bytes, (size_t)file.size, error);
    free(pcm);
    free(file.bytes);
    return ok;
}
