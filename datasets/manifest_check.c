/* What is checked when all rows of a manifest are known. */
#include "datasets/manifest_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int compare_ids(const void *a, const void *b)
{
    const tern_clip *x = *(const tern_clip *const *)a, *y = *(const tern_clip *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : x < y ? -1 : 1;
}

static int compare_speakers(const void *a, const void *b)
{
    const tern_clip *x = *(const tern_clip *const *)a, *y = *(const tern_clip *const *)b;
    int order = strcmp(x->speaker ? x->speaker : "", y->speaker ? y->speaker : "");
    return order ? order : x < y ? -1 : 1;
}

static int line_of(const manifest_reader *reader, const tern_clip *clip)
{
    return reader->rows[clip - reader->clips->clip].line;
}

static bool check_ids(manifest_reader *reader, const tern_clip **sorted, int64_t count)
{
    qsort(sorted, (size_t)count, sizeof *sorted, compare_ids);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(sorted[i]->id, sorted[i - 1]->id) == 0)
            return tern_manifest_fail(reader, line_of(reader, sorted[i]), TERN_ERR_DATA,
                                      "id \"%s\" is already that of line %d", sorted[i]->id,
                                      line_of(reader, sorted[i - 1]));
    return true;
}

static bool check_speakers(manifest_reader *reader, const tern_clip **sorted, int64_t count)
{
    qsort(sorted, (size_t)count, sizeof *sorted, compare_speakers);
    for (int64_t i = 1; i < count && !reader->opts.allow_shared_speakers; i++) {
        const tern_clip *a = sorted[i - 1], *b = sorted[i];
        if (a->speaker && b->speaker && strcmp(a->speaker, b->speaker) == 0 && a->split != b->split)
            return tern_manifest_fail(reader, line_of(reader, b), TERN_ERR_DATA,
                                      "speaker \"%s\" is in %s here and in %s on line %d: a model "
                                      "would be tested on a voice or face it has learnt",
                                      b->speaker, tern_split_names[b->split], tern_split_names[a->split],
                                      line_of(reader, a));
    }
    return true;
}

static bool check_rows(manifest_reader *reader)
{
    int64_t count = reader->clips->count;
    const tern_clip **sorted = malloc((size_t)count * sizeof *sorted);
    if (!sorted)
        return tern_error_set(reader->error, TERN_ERR_MEMORY, "%s: no memory for %lld rows",
                              reader->path, (long long)count);
    for (int64_t i = 0; i < count; i++)
        sorted[i] = &reader->clips->clip[i];
    bool ok = check_ids(reader, sorted, count) && check_speakers(reader, sorted, count);
    free(sorted);
    for (int split = 0; ok && split < TERN_SPLIT_COUNT; split++)
        if ((reader->opts.needed_splits & 1u << split) &&
            tern_clips_in_split(reader->clips, (tern_split)split) == 0)
            ok = tern_error_set(reader->error, TERN_ERR_DATA,
                                "%s: split %s is empty (train %lld, valid %lld, test %lld rows)",
                                reader->path, tern_split_names[split],
                                (long long)tern_clips_in_split(reader->clips, TERN_TRAIN),
                                (long long)tern_clips_in_split(reader->clips, TERN_VALID),
                                (long long)tern_clips_in_split(reader->clips, TERN_TEST));
    return ok;
}

/* Name the first file that is missing and how many are. */
static bool check_files(manifest_reader *reader)
{
    int64_t missing = 0, first = 0;
    const char *first_path = NULL, *first_kind = NULL;
    int reason = 0;
    for (int64_t i = 0; i < reader->clips->count; i++) {
        const tern_clip *clip = &reader->clips->clip[i];
        const char *paths[2] = { clip->face, clip->audio };
        for (int kind = 0; kind < 2; kind++) {
            struct stat info;
            if (!paths[kind] || stat(paths[kind], &info) == 0)
                continue;
            if (missing++ == 0) {
                reason = errno;
                first = i;
                first_path = paths[kind];
                first_kind = kind == 0 ? "face" : "audio";
            }
        }
    }
    if (missing == 0)
        return true;
    char others[64] = "";
    if (missing > 1)
        snprintf(others, sizeof others, " (%lld files in all cannot be found)", (long long)missing);
    return tern_manifest_fail(reader, reader->rows[first].line, TERN_ERR_DATA, "%s %s: %s%s",
                              first_kind, first_path, strerror(reason), others);
}

bool tern_manifest_check(manifest_reader *reader)
{
    return check_rows(reader) && (reader->opts.unchecked_files || check_files(reader));
}
