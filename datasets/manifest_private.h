/* What the two halves of reading a manifest share: manifest.c takes the rows over,
 * manifest_check.c looks at the whole list. */
#ifndef TERN_DATASETS_MANIFEST_PRIVATE_H
#define TERN_DATASETS_MANIFEST_PRIVATE_H

#include "datasets/manifest.h"

#include <stddef.h>

enum { ID, SPLIT, SPEAKER, LABEL, FACE, AUDIO, TEXT, COLUMNS };

/* What a row said that a clip does not keep. */
typedef struct row_source {
    int line;
    const char *label; /* points into the file's text */
} row_source;

typedef struct manifest_reader {
    const char *path;
    size_t folder_length; /* of path, with the last slash             */
    int line;
    int field_count;
    int field_column[COLUMNS]; /* which column a line's i-th field is */
    bool has_column[COLUMNS];
    row_source *rows; /* [clips->count]                               */
    int64_t rows_room;
    tern_clips *clips;
    tern_manifest_opts opts;
    tern_error *error;
} manifest_reader;

/* An error at a line of the file. */
bool tern_manifest_fail(manifest_reader *reader, int line, tern_status code, const char *format,
                        ...)
    __attribute__((format(printf, 4, 5)));

/* Ids unique, speakers apart, needed splits filled, files there. */
bool tern_manifest_check(manifest_reader *reader);

#endif
