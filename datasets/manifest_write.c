/* Writing manifests; see manifest.h. */
#include "datasets/manifest.h"

#include "datasets/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each line of comment behind "# ". */
static void write_comment(FILE *stream, const char *comment)
{
    while (comment && *comment) {
        int length = (int)strcspn(comment, "\n");
        fprintf(stream, "# %.*s\n", length, comment);
        comment += length;
        comment += *comment == '\n';
    }
}

/* A sentence on one line and in one field. */
static void write_sentence(FILE *stream, const char *text)
{
    for (; text && *text; text++)
        fputc(strchr("\t\r\n", *text) ? ' ' : *text, stream);
}

/* Names and paths cannot be changed, so what would break the table is an error. */
static bool check_fields(const tern_clip *clip, const char *path, tern_error *error)
{
    const char *const fields[] = { clip->id, clip->speaker, clip->face, clip->audio };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i] && strpbrk(fields[i], "\t\r\n"))
            return tern_error_set(error, TERN_ERR_DATA,
                                  "%s: \"%s\" holds a tab or line break and cannot stand in a "
                                  "manifest", path, fields[i]);
    return true;
}

static bool write_clips(FILE *stream, const tern_clips *clips, const char *path, tern_error *error)
{
    fputs("id\tsplit\tspeaker\tlabel\tface\taudio\ttext\n", stream);
    for (int64_t i = 0; i < clips->count; i++) {
        const tern_clip *clip = &clips->clip[i];
        if (!check_fields(clip, path, error))
            return false;
        if (clip->label >= clips->classes)
            return tern_error_set(error, TERN_ERR_ARGUMENT,
                                  "%s: \"%s\" has label %d of %d classes", path, clip->id,
                                  clip->label, clips->classes);
        fprintf(stream, "%s\t%s\t%s\t%s\t%s\t%s\t", clip->id, tern_split_names[clip->split],
                clip->speaker ? clip->speaker : "", clips->class_names[clip->label],
                clip->face ? clip->face : "", clip->audio ? clip->audio : "");
        write_sentence(stream, clip->text);
        fputc('\n', stream);
    }
    return true;
}

bool tern_manifest_write(const char *path, const tern_clips *clips, const char *comment,
                         tern_error *error)
{
    if (error->code)
        return false;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its text", path);
    write_comment(stream, comment);
    if (clips->train_unpaired && clips->epoch_samples > 0)
        fprintf(stream, "#! unpaired train %lld\n", (long long)clips->epoch_samples);
    else if (clips->train_unpaired)
        fputs("#! unpaired train\n", stream);
    bool ok = write_clips(stream, clips, path, error);
    bool whole = !ferror(stream);
    if ((fclose(stream) != 0 || !whole) && ok)
        ok = tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for its text", path);
    ok = ok && tern_file_replace(path, text, size, error);
    free(text);
    return ok;
}
