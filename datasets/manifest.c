/* Reading manifests; see manifest.h, and docs/data.md for the format.
 *
 * Two passes: rows are taken over line by line, then the whole list is checked
 * (labels, duplicate ids, shared speakers, files). */
#include "datasets/manifest_private.h"

#include "datasets/file.h"
#include "datasets/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const column_names[COLUMNS] = { "id",   "split", "speaker", "label",
                                                   "face", "audio", "text" };
static const char *const directive_names[] = { "unpaired" };

bool tern_manifest_fail(manifest_reader *reader, int line, tern_status code, const char *format,
                        ...)
{
    char message[TERN_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return tern_error_set(reader->error, code, "%s:%d: %s", reader->path, line, message);
}

/* "; did you mean X?" or nothing. */
static const char *suggestion(char text[128], const char *name, const char *const *names, int count)
{
    const char *nearest = tern_nearest_name(name, names, count);
    text[0] = 0;
    if (nearest)
        snprintf(text, 128, "; did you mean \"%s\"?", nearest);
    return text;
}

/* ------------------------------------------------------------- the head -- */

/* "#! unpaired train" or "#! unpaired train 8000". */
static bool read_directive(manifest_reader *reader, const char *text)
{
    char name[32] = "", split[32] = "", hint[128], behind;
    long long samples = 0;
    int fields = sscanf(text, "%31s %31s %lld %c", name, split, &samples, &behind);
    if (strcmp(name, "unpaired") != 0)
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "unknown directive \"#! %s\"%s", name,
                                  suggestion(hint, name, directive_names, 1));
    if (fields < 2 || fields > 3 || strcmp(split, "train") != 0 || (fields == 3 && samples < 1))
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "\"#! unpaired\" is followed by \"train\" and, if wanted, the "
                                  "samples of an epoch, not by \"%s\"",
                                  text + strspn(text, " ") + strlen(name));
    reader->clips->train_unpaired = true;
    reader->clips->epoch_samples = samples;
    return true;
}

static bool read_header(manifest_reader *reader, char *line)
{
    char hint[128];
    reader->field_count = 0;
    for (char *field; (field = tern_field_next(&line));) {
        int column = 0;
        while (column < COLUMNS && strcmp(field, column_names[column]) != 0)
            column++;
        if (column == COLUMNS)
            return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                      "unknown column \"%s\"%s; the first line names the columns: "
                                      "id split speaker label face audio text, tabs between them",
                                      field,
                                      suggestion(hint, field, column_names, COLUMNS));
        if (reader->has_column[column])
            return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                      "column \"%s\" is there twice", field);
        reader->has_column[column] = true;
        reader->field_column[reader->field_count++] = column;
    }
    for (int column = ID; column <= LABEL; column++)
        if (!reader->has_column[column])
            return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                      "column \"%s\" is missing", column_names[column]);
    if (!reader->has_column[FACE] && !reader->has_column[AUDIO] && !reader->has_column[TEXT])
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "one at least of the columns face, audio and text is needed");
    return true;
}

/* ------------------------------------------------------------- the rows -- */

static bool split_row(manifest_reader *reader, char *line, const char *fields[COLUMNS])
{
    int count = 0;
    for (char *field; (field = tern_field_next(&line)); count++)
        if (count < reader->field_count)
            fields[reader->field_column[count]] = field;
    if (count != reader->field_count)
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "%d fields; the header names %d (one tab separates fields)",
                                  count, reader->field_count);
    return true;
}

static bool check_row(manifest_reader *reader, const char *fields[COLUMNS])
{
    char hint[128];
    if (!*fields[ID])
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT, "the id is empty");
    if (!*fields[LABEL])
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "the label of \"%s\" is empty", fields[ID]);
    if (tern_split_find(fields[SPLIT]) < 0)
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "split \"%s\" is none of train, valid, test%s", fields[SPLIT],
                                  suggestion(hint, fields[SPLIT], tern_split_names,
                                             TERN_SPLIT_COUNT));
    if (!*fields[FACE] && !*fields[AUDIO] && !*fields[TEXT])
        return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                  "\"%s\" has neither face nor audio nor text", fields[ID]);
    for (int column = 0; column < COLUMNS; column++)
        if (!tern_text_is_utf8(fields[column]))
            return tern_manifest_fail(reader, reader->line, TERN_ERR_FORMAT,
                                      "%s of \"%s\" is not UTF-8", column_names[column],
                                      column == ID ? "?" : fields[ID]);
    return true;
}

static row_source *new_row(manifest_reader *reader)
{
    int64_t at = reader->clips->count;
    if (at == reader->rows_room) {
        int64_t room = at ? 2 * at : 1024;
        row_source *larger = realloc(reader->rows, (size_t)room * sizeof *larger);
        if (!larger) {
            tern_error_set(reader->error, TERN_ERR_MEMORY, "%s: no memory for %lld rows",
                           reader->path, (long long)room);
            return NULL;
        }
        reader->rows = larger;
        reader->rows_room = room;
    }
    return &reader->rows[at];
}

/* Relative paths start at the manifest's folder.  The result is malloc'ed, NULL
 * for an empty field and, with the error set, when memory is out. */
static char *media_path(manifest_reader *reader, const char *field)
{
    char *path = NULL;
    if (!*field)
        return NULL;
    int folder = *field == '/' ? 0 : (int)reader->folder_length;
    if (asprintf(&path, "%.*s%s", folder, reader->path, field) < 0) {
        tern_error_set(reader->error, TERN_ERR_MEMORY, "%s: no memory for a path", reader->path);
        return NULL;
    }
    return path;
}

static bool read_row(manifest_reader *reader, char *line)
{
    const char *fields[COLUMNS] = { "", "", "", "", "", "", "" };
    if (!split_row(reader, line, fields) || !check_row(reader, fields))
        return false;
    row_source *row = new_row(reader);
    if (!row)
        return false;
    *row = (row_source){ reader->line, fields[LABEL] };
    char *face = media_path(reader, fields[FACE]), *audio = media_path(reader, fields[AUDIO]);
    tern_clip clip = { fields[ID], (tern_split)tern_split_find(fields[SPLIT]), fields[SPEAKER], 0,
                       face, audio, fields[TEXT] };
    tern_clips_append(reader->clips, &clip, reader->error);
    free(face);
    free(audio);
    return !reader->error->code;
}

static bool read_lines(manifest_reader *reader, char *text)
{
    bool header_read = false;
    for (char *line; (line = tern_line_next(&text));) {
        reader->line++;
        bool ok = true;
        if (!*line)
            continue;
        if (header_read)
            ok = read_row(reader, line);
        else if (strncmp(line, "#!", 2) == 0)
            ok = read_directive(reader, line + 2);
        else if (*line != '#')
            ok = header_read = read_header(reader, line);
        if (!ok)
            return false;
    }
    if (reader->clips->count == 0)
        return tern_error_set(reader->error, TERN_ERR_DATA, "%s: no rows%s", reader->path,
                              header_read ? "" : "; the first line names the columns");
    return true;
}

/* ----------------------------------------------------------- the labels -- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct labels, sorted. */
static bool set_classes_from_rows(manifest_reader *reader)
{
    int64_t count = reader->clips->count;
    const char **names = malloc((size_t)count * sizeof *names);
    if (!names)
        return tern_error_set(reader->error, TERN_ERR_MEMORY, "%s: no memory for %lld labels",
                              reader->path, (long long)count);
    for (int64_t i = 0; i < count; i++)
        names[i] = reader->rows[i].label;
    qsort(names, (size_t)count, sizeof *names, compare_names);
    int classes = 0;
    for (int64_t i = 0; i < count; i++)
        if (classes == 0 || strcmp(names[i], names[classes - 1]) != 0)
            names[classes++] = names[i];
    bool ok = tern_clips_set_classes(reader->clips, names, classes, reader->error);
    free(names);
    return ok;
}

static bool resolve_labels(manifest_reader *reader)
{
    const tern_manifest_opts *opts = &reader->opts;
    bool ok = opts->class_names ? tern_clips_set_classes(reader->clips, opts->class_names,
                                                         opts->classes, reader->error)
                                : set_classes_from_rows(reader);
    tern_clips *clips = reader->clips;
    for (int64_t i = 0; ok && i < clips->count; i++) {
        const char *label = reader->rows[i].label;
        int class = 0;
        while (class < clips->classes && strcmp(label, clips->class_names[class]) != 0)
            class++;
        if (class == clips->classes) {
            char hint[128], list[256] = "";
            for (int c = 0; c < clips->classes; c++)
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", c ? ", " : "",
                         clips->class_names[c]);
            return tern_manifest_fail(reader, reader->rows[i].line, TERN_ERR_DATA,
                                      "label \"%s\" is none of the %d classes%s (%s)", label,
                                      clips->classes,
                                      suggestion(hint, label, clips->class_names, clips->classes),
                                      list);
        }
        clips->clip[i].label = class;
    }
    return ok;
}

tern_clips *tern_manifest_read(const char *path, tern_manifest_opts opts, tern_error *error)
{
    char *text = tern_file_read_text(path, error);
    if (!text)
        return NULL;
    const char *slash = strrchr(path, '/');
    manifest_reader reader = {
        .path = path,
        .folder_length = slash ? (size_t)(slash - path) + 1 : 0,
        .clips = tern_clips_new(error),
        .opts = opts,
        .error = error,
    };
    bool ok = reader.clips && read_lines(&reader, text) && resolve_labels(&reader) &&
              tern_manifest_check(&reader);
    free(reader.rows);
    free(text);
    if (!ok) {
        tern_clips_free(reader.clips);
        return NULL;
    }
    return reader.clips;
}
