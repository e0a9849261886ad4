/* Whole files in memory.
 *
 * Every reader of a data set starts here, so that a missing file, a folder, an
 * empty file and a Git LFS pointer get the same clear message everywhere.
 */
#ifndef TERN_DATASETS_FILE_H
#define TERN_DATASETS_FILE_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

/* Longest file that is read: 1 GiB. */
#define TERN_FILE_MAX_BYTES ((size_t)1 << 30)

/* The file's bytes, to be freed with free(); a NUL stands after the last one, so
 * that a text file is a string.  NULL on failure: TERN_ERR_IO if it cannot be
 * read, TERN_ERR_FORMAT if it is empty or a Git LFS pointer, TERN_ERR_DATA if it
 * is longer than TERN_FILE_MAX_BYTES. */
uint8_t *tern_file_read(const char *path, size_t *size, tern_error *error);

/* A text file: the same, without a byte order mark, an error if it holds a NUL. */
char *tern_file_read_text(const char *path, tern_error *error);

/* Write a file whole or not at all (core/host_file.h): an earlier file stays untouched when
 * anything fails. */
bool tern_file_replace(const char *path, const void *bytes, size_t size, tern_error *error);
/* The same without waiting for the disk, for media files. */
bool tern_file_replace_unsynced(const char *path, const void *bytes, size_t size,
                                tern_error *error);

/* Cut the line off the front of *text: returns it without its "\n" or "\r\n" and
 * moves *text behind it; NULL at the end. */
char *tern_line_next(char **text);

/* Cut the field off the front of *line at the next tab; NULL at the end.  A line
 * with n tabs has n + 1 fields. */
char *tern_field_next(char **line);

#endif
