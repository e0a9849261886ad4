/* See media.h. */
#include "datasets/media.h"

#include "datasets/audio.h"
#include "datasets/folder.h"
#include "datasets/image.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KINDS = 2 }; /* TERN_FACE, TERN_AUDIO */

struct tern_media {
    const tern_clips *clips;
    tern_media_format format;
    int64_t *slot_of[KINDS]; /* [clips->count]; clips of one path share a slot, -1: none */
    int64_t slots[KINDS];

    pthread_mutex_t lock; /* of what follows */
    tern_media_item **item[KINDS]; /* [slots], NULL: not decoded yet */
    int64_t bytes_left;
};

static const char *path_of(const tern_clip *clip, int kind)
{
    return kind == TERN_FACE ? clip->face : clip->audio;
}

/* ------------------------------------------------------------- decoding -- */

static void item_free(tern_media_item *item)
{
    if (!item)
        return;
    free(item->pixels);
    free(item->samples);
    free(item);
}

static bool read_frame(const char *path, const tern_media_format *format, uint8_t *pixels,
                       tern_error *error)
{
    tern_image image, resized;
    if (!tern_image_read_png(path, format->channels, &image, error))
        return false;
    tern_image *fitting = &image;
    if (image.height != format->height || image.width != format->width) {
        if (!tern_image_resize(&image, format->height, format->width, &resized, error))
            tern_error_prefix(error, "%s", path);
        tern_image_free(&image);
        fitting = &resized;
    }
    if (!error->code)
        memcpy(pixels, fitting->pixels,
               (size_t)format->height * (size_t)format->width * (size_t)format->channels);
    tern_image_free(fitting);
    return !error->code;
}

/* Frames evenly spaced: the clip is cut into `taken` equal parts and the middle of
 * each is taken.  With all frames taken that is every one. */
static int frame_at(int i, int taken, int there)
{
    return (int)((2 * (int64_t)i + 1) * there / (2 * taken));
}

static bool read_frames(const char *path, const tern_folder *folder, int taken,
                        const tern_media_format *format, uint8_t *pixels, tern_error *error)
{
    size_t frame_bytes =
        (size_t)format->height * (size_t)format->width * (size_t)format->channels;
    for (int i = 0; i < taken; i++) {
        char *frame_path = NULL;
        const char *name = folder->name[frame_at(i, taken, folder->count)];
        if (asprintf(&frame_path, "%s/%s", path, name) < 0)
            return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for a path", path);
        bool ok = read_frame(frame_path, format, pixels + (size_t)i * frame_bytes, error);
        free(frame_path);
        if (!ok)
            return false;
    }
    return true;
}

static bool decode_face(const char *path, const tern_media_format *format, tern_media_item *item,
                        tern_error *error)
{
    struct stat info;
    tern_folder folder = { 0 };
    bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (is_folder && !tern_folder_read(path, ".png", &folder, error))
        return false;
    if (is_folder && folder.count == 0)
        return tern_error_set(error, TERN_ERR_DATA, "%s: holds no PNG frames", path);
    item->frames = 1;
    if (is_folder)
        item->frames = folder.count < format->frames ? folder.count : format->frames;
    item->pixels = malloc((size_t)item->frames * (size_t)format->height * (size_t)format->width *
                          (size_t)format->channels);
    bool ok = item->pixels != NULL;
    if (!ok)
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for %d frames", path, item->frames);
    else if (is_folder)
        ok = read_frames(path, &folder, item->frames, format, item->pixels, error);
    else
        ok = read_frame(path, format, item->pixels, error);
    tern_folder_free(&folder);
    return ok;
}

static bool decode_sound(const char *path, const tern_media_format *format, tern_media_item *item,
                         tern_error *error)
{
    tern_audio audio, resampled;
    if (!tern_audio_read(path, &audio, error))
        return false;
    if (audio.rate != format->rate) {
        if (!tern_audio_resample(&audio, format->rate, &resampled, error))
            tern_error_prefix(error, "%s", path);
        tern_audio_free(&audio);
        audio = resampled;
    }
    item->count = audio.count;
    item->samples = audio.samples;
    return !error->code;
}

static tern_media_item *decode(tern_media *media, int64_t clip, int kind, tern_error *error)
{
    const char *path = path_of(&media->clips->clip[clip], kind);
    tern_media_item *item = calloc(1, sizeof *item);
    if (!item) {
        tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory", path);
        return NULL;
    }
    bool ok = kind == TERN_FACE ? decode_face(path, &media->format, item, error)
                                : decode_sound(path, &media->format, item, error);
    if (!ok) {
        item_free(item);
        return NULL;
    }
    return item;
}

/* ---------------------------------------------------------------- cache -- */

static int64_t item_bytes(const tern_media *media, const tern_media_item *item)
{
    const tern_media_format *format = &media->format;
    return (int64_t)sizeof *item + item->count * (int64_t)sizeof(float) +
           (int64_t)item->frames * format->height * format->width * format->channels;
}

const tern_media_item *tern_media_get(tern_media *media, int64_t clip, tern_modality modality,
                                      tern_error *error)
{
    int kind = (int)modality;
    int64_t slot = media->slot_of[kind][clip];
    pthread_mutex_lock(&media->lock);
    tern_media_item *item = media->item[kind][slot];
    pthread_mutex_unlock(&media->lock);
    if (item || !(item = decode(media, clip, kind, error)))
        return item;

    /* Two threads may have decoded the same file: the first one's stays. */
    int64_t bytes = item_bytes(media, item);
    pthread_mutex_lock(&media->lock);
    tern_media_item *earlier = media->item[kind][slot];
    if (!earlier && bytes <= media->bytes_left) {
        item->cached = true;
        media->bytes_left -= bytes;
        media->item[kind][slot] = item;
    }
    pthread_mutex_unlock(&media->lock);
    if (!earlier)
        return item;
    item_free(item);
    return earlier;
}

void tern_media_release(const tern_media_item *item)
{
    if (item && !item->cached)
        item_free((tern_media_item *)item);
}

/* A clip and its path, for sorting. */
typedef struct path_entry {
    const char *path;
    int64_t clip;
} path_entry;

static int compare_paths(const void *a, const void *b)
{
    const path_entry *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : x->clip < y->clip ? -1 : 1;
}

/* Sort the split's paths and give equal ones one slot. */
static bool assign_slots(tern_media *media, tern_split split, int kind, tern_error *error)
{
    int64_t clips = media->clips->count, count = 0;
    path_entry *entries = malloc((size_t)(clips + 1) * sizeof *entries);
    media->slot_of[kind] = malloc((size_t)(clips + 1) * sizeof *media->slot_of[kind]);
    if (entries && media->slot_of[kind]) {
        for (int64_t i = 0; i < clips; i++) {
            const tern_clip *clip = &media->clips->clip[i];
            media->slot_of[kind][i] = -1;
            if (clip->split == split && path_of(clip, kind))
                entries[count++] = (path_entry){ path_of(clip, kind), i };
        }
        qsort(entries, (size_t)count, sizeof *entries, compare_paths);
        for (int64_t i = 0; i < count; i++) {
            bool is_new = i == 0 || strcmp(entries[i].path, entries[i - 1].path) != 0;
            media->slots[kind] += is_new;
            media->slot_of[kind][entries[i].clip] = media->slots[kind] - 1;
        }
        media->item[kind] = calloc((size_t)media->slots[kind] + 1, sizeof *media->item[kind]);
    }
    free(entries);
    if (!media->item[kind])
        return tern_error_set(error, TERN_ERR_MEMORY, "media: no memory for %lld paths",
                              (long long)clips);
    return true;
}

tern_media *tern_media_new(const tern_clips *clips, tern_split split, tern_media_format format,
                           int64_t cache_bytes, tern_error *error)
{
    if (error->code)
        return NULL;
    tern_media *media = calloc(1, sizeof *media);
    if (!media) {
        tern_error_set(error, TERN_ERR_MEMORY, "media: no memory");
        return NULL;
    }
    media->clips = clips;
    media->format = format;
    media->bytes_left = cache_bytes;
    pthread_mutex_init(&media->lock, NULL);
    if (!assign_slots(media, split, TERN_FACE, error) ||
        !assign_slots(media, split, TERN_AUDIO, error)) {
        tern_media_free(media);
        return NULL;
    }
    return media;
}

void tern_media_free(tern_media *media)
{
    if (!media)
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        for (int64_t slot = 0; media->item[kind] && slot < media->slots[kind]; slot++)
            item_free(media->item[kind][slot]);
        free(media->item[kind]);
        free(media->slot_of[kind]);
    }
    pthread_mutex_destroy(&media->lock);
    free(media);
}
