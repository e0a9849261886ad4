/* See paired_sources.h. */
#include "datasets/paired_sources.h"

#include "datasets/file.h"
#include "datasets/folder.h"
#include "datasets/paired.h"
#include "datasets/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ANGRY, DISGUST, FEAR, HAPPY, NEUTRAL, SAD, SURPRISE };

const char *const tern_paired_class_names[TERN_PAIRED_CLASSES + 1] = {
    "angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", NULL
};

/* How FER-2013, RAVDESS, GoEmotions and their like call the seven. */
static const struct {
    const char *name;
    int label;
} spellings[] = {
    { "angry", ANGRY },     { "anger", ANGRY },         { "disgust", DISGUST },
    { "disgusted", DISGUST }, { "fear", FEAR },         { "fearful", FEAR },
    { "happy", HAPPY },     { "happiness", HAPPY },     { "joy", HAPPY },
    { "neutral", NEUTRAL }, { "sad", SAD },             { "sadness", SAD },
    { "surprise", SURPRISE }, { "surprised", SURPRISE },
};

/* RAVDESS: 01 neutral 02 calm 03 happy 04 sad 05 angry 06 fearful 07 disgust
 * 08 surprised. */
static const int ravdess_label[9] = { -1, NEUTRAL, -1, HAPPY, SAD, ANGRY, FEAR, DISGUST, SURPRISE };

enum { DEEPEST_FOLDER = 8, MAX_LABELS = 256 };

int tern_paired_class_find(const char *name)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcasecmp(name, spellings[i].name) == 0)
            return spellings[i].label;
    return -1;
}

void tern_paired_list_free(paired_list *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        free(list->item[i].name);
        free(list->item[i].media);
    }
    free(list->item);
    *list = (paired_list){ 0 };
}

/* Takes over name and media, which may be NULL when memory was out. */
static bool append_item(paired_list *list, paired_item item, tern_error *error)
{
    bool ok = item.name && item.media;
    if (ok && list->count == list->room) {
        int64_t room = list->room ? 2 * list->room : 1024;
        paired_item *larger = realloc(list->item, (size_t)room * sizeof *larger);
        ok = larger != NULL;
        if (ok) {
            list->item = larger;
            list->room = room;
        }
    }
    if (!ok) {
        free(item.name);
        free(item.media);
        return tern_error_set(error, TERN_ERR_MEMORY, "paired: no memory for %lld items",
                              (long long)list->count + 1);
    }
    list->item[list->count++] = item;
    return true;
}

/* malloc'ed text, NULL when memory is out. */
__attribute__((format(printf, 1, 2)))
static char *print_new(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return text;
}

/* FNV-1a, then mixed so that every bit depends on all bytes: items are put in
 * order by it. */
static uint64_t hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCDu;
    hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53u;
    return hash ^ hash >> 33;
}

/* ---------------------------------------------------------------- faces -- */

static bool read_class_faces(const char *path, const char *class_name, int label,
                             paired_list *list, tern_error *error)
{
    tern_folder files;
    if (!tern_folder_read(path, ".png", &files, error))
        return false;
    for (int i = 0; i < files.count && !error->code; i++) {
        const char *file = files.name[i];
        int stem = (int)strlen(file) - (int)strlen(".png");
        size_t size;
        paired_item item = { .label = label, .media = print_new("%s/%s", path, file),
                             .name = print_new("%s-%.*s", class_name, stem, file) };
        uint8_t *bytes = item.media ? tern_file_read(item.media, &size, error) : NULL;
        if (bytes)
            item.hash = hash_bytes(bytes, size);
        free(bytes);
        append_item(list, item, error);
    }
    tern_folder_free(&files);
    return !error->code;
}

bool tern_paired_read_faces(const char *folder, paired_list *list, tern_error *error)
{
    tern_folder classes;
    if (!tern_folder_read(folder, NULL, &classes, error))
        return false;
    for (int i = 0; i < classes.count && !error->code; i++) {
        int label = tern_paired_class_find(classes.name[i]);
        if (label < 0)
            continue;
        char *path = print_new("%s/%s", folder, classes.name[i]);
        if (path)
            read_class_faces(path, classes.name[i], label, list, error);
        else
            tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for a path", folder);
        free(path);
    }
    tern_folder_free(&classes);
    if (!error->code && list->count == 0)
        tern_error_set(error, TERN_ERR_DATA,
                       "%s: no faces; folders named angry, disgust, fear, happy, neutral, sad and "
                       "surprise with PNG files are expected", folder);
    return !error->code;
}

/* ---------------------------------------------------------------- sound -- */

/* The seven two-digit numbers of a RAVDESS name, false if it is none. */
static bool parse_ravdess_name(const char *name, int field[7])
{
    for (int i = 0; i < 7; i++, name += 3) {
        if (name[0] < '0' || name[0] > '9' || name[1] < '0' || name[1] > '9' ||
            name[2] != (i < 6 ? '-' : '.'))
            return false;
        field[i] = (name[0] - '0') * 10 + name[1] - '0';
    }
    return strcasecmp(name, "wav") == 0 || strcasecmp(name, "flac") == 0;
}

enum { MODALITY, CHANNEL, EMOTION, ACTOR = 6, STEM_LENGTH = 20 };

static bool append_sound(const char *path, const char *name, paired_list *list, tern_error *error)
{
    int field[7];
    if (!parse_ravdess_name(name, field))
        return true;
    int emotion = field[EMOTION];
    int label = emotion >= 1 && emotion <= 8 ? ravdess_label[emotion] : -1;
    if (field[MODALITY] != 3 || field[CHANNEL] != 1 || label < 0) {
        list->others++;
        return true;
    }
    paired_item item = { .label = label, .actor = field[ACTOR], .media = strdup(path),
                         .name = print_new("%.*s", STEM_LENGTH, name) };
    return append_item(list, item, error);
}

static bool read_audio_folder(const char *folder, int depth, paired_list *list, tern_error *error)
{
    tern_folder entries;
    if (depth > DEEPEST_FOLDER)
        return tern_error_set(error, TERN_ERR_DATA, "%s: folders nested deeper than %d", folder,
                              DEEPEST_FOLDER);
    if (!tern_folder_read(folder, NULL, &entries, error))
        return false;
    for (int i = 0; i < entries.count && !error->code; i++) {
        struct stat info;
        char *path = print_new("%s/%s", folder, entries.name[i]);
        if (!path)
            tern_error_set(error, TERN_ERR_MEMORY, "%s: no memory for a path", folder);
        else if (stat(path, &info) != 0)
            tern_error_set(error, TERN_ERR_IO, "%s: %s", path, strerror(errno));
        else if (S_ISDIR(info.st_mode))
            read_audio_folder(path, depth + 1, list, error);
        else
            append_sound(path, entries.name[i], list, error);
        free(path);
    }
    tern_folder_free(&entries);
    return !error->code;
}

bool tern_paired_read_audio(const char *folder, paired_list *list, tern_error *error)
{
    if (read_audio_folder(folder, 0, list, error) && list->count == 0)
        tern_error_set(error, TERN_ERR_DATA,
                       "%s: no speech; files named like 03-01-05-01-02-01-12.wav (RAVDESS) are "
                       "expected", folder);
    return !error->code;
}

/* ----------------------------------------------------------------- text -- */

/* The labels file's lines as classes, -1 for names that are none of the seven.
 * Returns how many, 0 on failure. */
static int read_labels(const char *path, int label[MAX_LABELS], tern_error *error)
{
    char *text = tern_file_read_text(path, error), *rest = text;
    int count = 0;
    if (!text)
        return 0;
    for (char *line; count < MAX_LABELS && (line = tern_line_next(&rest));)
        label[count++] = tern_paired_class_find(line);
    free(text);
    return count;
}

/* "Three words. ""Stop.""" -> Three words. "Stop."   in place */
static char *without_quotes(char *field)
{
    size_t length = strlen(field);
    if (length < 2 || field[0] != '"' || field[length - 1] != '"')
        return field;
    field[length - 1] = 0;
    char *to = field;
    for (const char *from = field + 1; *from; from++) {
        *to++ = *from;
        from += from[0] == '"' && from[1] == '"';
    }
    *to = 0;
    return field;
}

/* Of the words, so that case, spaces and accents' spelling do not matter.  False
 * with the error set if it is no text; *words is their number. */
static bool hash_sentence(const char *sentence, uint64_t *hash, int *count, tern_error *error)
{
    tern_words words;
    if (!tern_text_split(sentence, &words, error))
        return false;
    *count = words.count;
    const char *end = words.count ? words.word[words.count - 1] : words.bytes;
    size_t size = words.count ? (size_t)(end - words.bytes) + strlen(end) : 0;
    *hash = hash_bytes(words.bytes, size); /* words stand in a row, NULs between */
    tern_words_free(&words);
    return true;
}

/* The class of a label field: a number or a name.  -1: none of the seven, or
 * several labels; -2: not a label at all. */
static int parse_label(const char *field, const int *label, int labels)
{
    char *end;
    if (strchr(field, ','))
        return -1;
    long number = strtol(field, &end, 10);
    if (end == field)
        return *field ? tern_paired_class_find(field) : -2;
    return *end || number < 0 || number >= labels ? -2 : label[number];
}

/* Where a sentence stands. */
typedef struct sentence_place {
    const char *path;
    int line;
    bool is_test_file;
} sentence_place;

static bool append_sentence(sentence_place place, char *line, const int *label, int labels,
                            paired_list *list, tern_error *error)
{
    char *sentence = tern_field_next(&line), *field = tern_field_next(&line);
    int class = field ? parse_label(field, label, labels) : -2, words = 0;
    if (class == -2)
        return tern_error_set(error, TERN_ERR_FORMAT,
                              "%s:%d: a sentence, a tab and its label (0 to %d, or a name) are "
                              "expected, not \"%.60s\"", place.path, place.line, labels - 1,
                              field ? field : sentence);
    paired_item item = { .label = class, .in_test_file = place.is_test_file };
    sentence = without_quotes(sentence);
    if (!hash_sentence(sentence, &item.hash, &words, error)) {
        tern_error_prefix(error, "%s:%d", place.path, place.line);
        return false;
    }
    if (class < 0 || words == 0) {
        list->others++;
        return true;
    }
    item.media = strdup(sentence);
    item.name = print_new("%d", place.line);
    return append_item(list, item, error);
}

bool tern_paired_read_text(const char *path, const char *labels_path, bool is_test_file,
                           paired_list *list, tern_error *error)
{
    int label[MAX_LABELS];
    int labels = read_labels(labels_path, label, error);
    char *text = labels ? tern_file_read_text(path, error) : NULL, *rest = text;
    if (!text)
        return false;
    sentence_place place = { path, 0, is_test_file };
    for (char *line; !error->code && (line = tern_line_next(&rest));) {
        place.line++;
        if (*line)
            append_sentence(place, line, label, labels, list, error);
    }
    free(text);
    return !error->code;
}
