/* Manifests: a data set as one table of tab-separated values.
 *
 *   id   split   speaker   label   face   audio   text
 *
 * The exact format is in docs/data.md.
 */
#ifndef TERN_DATASETS_MANIFEST_H
#define TERN_DATASETS_MANIFEST_H

#include "datasets/clips.h"

typedef struct tern_manifest_opts {
    /* The classes a label may have, in index order (a run's own list when it is
     * evaluated on another manifest); NULL: the sorted distinct labels. */
    const char *const *class_names;
    int classes;
    unsigned needed_splits;     /* 1u << TERN_TEST ...: an error if one has no rows */
    bool allow_shared_speakers; /* a speaker may be in two splits                  */
    bool unchecked_files;       /* do not look whether the media files exist       */
} tern_manifest_opts;

/* Read and check a manifest; NULL on failure.  Messages name file and line.
 * Errors: TERN_ERR_IO, TERN_ERR_FORMAT (columns, UTF-8, directives, values) and
 * TERN_ERR_DATA (no rows, an empty needed split, a duplicate id, a speaker in two
 * splits, a label out of the class list, media files that do not exist). */
tern_clips *tern_manifest_read(const char *path, tern_manifest_opts opts, tern_error *error);

/* Write clips as a manifest, whole or not at all (a temporary file is renamed).
 * comment may be NULL; each of its lines becomes a `# ` line.  Paths are written
 * as they are.  Tabs and line breaks in sentences become spaces. */
bool tern_manifest_write(const char *path, const tern_clips *clips, const char *comment,
                         tern_error *error);

#endif
