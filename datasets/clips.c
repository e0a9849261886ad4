/* See clips.h. */
#include "datasets/clips.h"

#include <stdlib.h>
#include <string.h>

const char *const tern_split_names[TERN_SPLIT_COUNT + 1] = { "train", "valid", "test", NULL };

/* Strings are packed one after the other into blocks that never move. */
typedef struct string_block {
    struct string_block *before;
    size_t used, size;
    char text[];
} string_block;

struct tern_clips_store {
    int64_t room; /* clips that fit before the array grows */
    string_block *strings;
};

enum { STRING_BLOCK_BYTES = 1 << 18 };

tern_clips *tern_clips_new(tern_error *error)
{
    if (error->code)
        return NULL;
    tern_clips *clips = calloc(1, sizeof *clips);
    struct tern_clips_store *store = calloc(1, sizeof *store);
    if (!clips || !store) {
        free(clips);
        free(store);
        tern_error_set(error, TERN_ERR_MEMORY, "clips: no memory for a list");
        return NULL;
    }
    clips->store = store;
    return clips;
}

void tern_clips_free(tern_clips *clips)
{
    if (!clips)
        return;
    for (string_block *block = clips->store->strings, *before; block; block = before) {
        before = block->before;
        free(block);
    }
    free(clips->store);
    free(clips->clip);
    free(clips->class_names);
    free(clips);
}

/* A copy that lives as long as the clips; NULL for an empty string and, with the
 * error set, when memory is out. */
static const char *keep_string(tern_clips *clips, const char *text, tern_error *error)
{
    if (!text || !*text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    string_block *block = clips->store->strings;
    if (!block || block->size - block->used < bytes) {
        size_t size = bytes > STRING_BLOCK_BYTES ? bytes : STRING_BLOCK_BYTES;
        block = malloc(sizeof *block + size);
        if (!block) {
            tern_error_set(error, TERN_ERR_MEMORY, "clips: no memory for %zu bytes of text", bytes);
            return NULL;
        }
        *block = (string_block){ clips->store->strings, 0, size };
        clips->store->strings = block;
    }
    char *kept = memcpy(block->text + block->used, text, bytes);
    block->used += bytes;
    return kept;
}

bool tern_clips_append(tern_clips *clips, const tern_clip *clip, tern_error *error)
{
    if (error->code)
        return false;
    if (!clip->id || !*clip->id || clip->label < 0 || (unsigned)clip->split >= TERN_SPLIT_COUNT)
        return tern_error_set(error, TERN_ERR_ARGUMENT,
                              "clips: clip %lld has id \"%s\", label %d, split %d; an id, a label "
                              ">= 0 and a split are needed", (long long)clips->count,
                              clip->id ? clip->id : "", clip->label, (int)clip->split);
    if (clips->count == clips->store->room) {
        int64_t room = clips->store->room ? 2 * clips->store->room : 1024;
        tern_clip *larger = realloc(clips->clip, (size_t)room * sizeof *larger);
        if (!larger)
            return tern_error_set(error, TERN_ERR_MEMORY, "clips: no memory for %lld clips",
                                  (long long)room);
        clips->clip = larger;
        clips->store->room = room;
    }
    tern_clip kept = {
        .id = keep_string(clips, clip->id, error),
        .split = clip->split,
        .speaker = keep_string(clips, clip->speaker, error),
        .label = clip->label,
        .face = keep_string(clips, clip->face, error),
        .audio = keep_string(clips, clip->audio, error),
        .text = keep_string(clips, clip->text, error),
    };
    if (error->code)
        return false;
    clips->clip[clips->count++] = kept;
    return true;
}

bool tern_clips_set_classes(tern_clips *clips, const char *const *names, int count,
                            tern_error *error)
{
    if (error->code)
        return false;
    const char **kept = calloc((size_t)count + 1, sizeof *kept);
    if (!kept)
        return tern_error_set(error, TERN_ERR_MEMORY, "clips: no memory for %d class names", count);
    for (int i = 0; i < count && !error->code; i++) {
        kept[i] = keep_string(clips, names[i], error);
        if (!kept[i])
            tern_error_set(error, TERN_ERR_ARGUMENT, "clips: the name of class %d is empty", i);
    }
    if (error->code) {
        free(kept);
        return false;
    }
    free(clips->class_names);
    clips->class_names = kept;
    clips->classes = count;
    return true;
}

int64_t tern_clips_in_split(const tern_clips *clips, tern_split split)
{
    int64_t count = 0;
    for (int64_t i = 0; i < clips->count; i++)
        count += clips->clip[i].split == split;
    return count;
}

int tern_split_find(const char *name)
{
    for (int split = 0; split < TERN_SPLIT_COUNT; split++)
        if (strcmp(name, tern_split_names[split]) == 0)
            return split;
    return -1;
}
