/* Files of the host, as core's formats need them: mapped for reading, and written whole
 * or not at all.
 */
#ifndef TERN_CORE_HOST_FILE_H
#define TERN_CORE_HOST_FILE_H

#include "core/error.h"

#include <stddef.h>

/* A file's bytes.  It must not shrink while it is mapped; one that is replaced by rename,
 * as below, is safe.  An empty file has bytes == NULL. */
typedef struct tern_mapping {
    const unsigned char *bytes;
    size_t size;
} tern_mapping;

/* False and TERN_ERR_IO if it cannot be opened, mapped or is no regular file. */
bool tern_map_file(const char *path, tern_mapping *mapping, tern_error *error);
void tern_unmap_file(tern_mapping *mapping);
/* Let these bytes of it, which may be read again, leave the process's memory. */
void tern_mapping_forget(const tern_mapping *mapping, const void *bytes, size_t count);

/* A file that is written beside its place and takes it when it is complete.  A symbolic link
 * stays one: its target is replaced.  What is there and is no regular file (a device, a
 * pipe) cannot be replaced and is written straight into; then it is not whole or not at
 * all. */
typedef struct tern_whole_file tern_whole_file;

/* NULL and an error if it cannot be created. */
tern_whole_file *tern_whole_file_create(const char *path, tern_error *error);
/* The same without waiting for the disk at the end: whole for every program that reads it,
 * though not after a power cut.  For files that are made by the thousand. */
tern_whole_file *tern_whole_file_create_unsynced(const char *path, tern_error *error);
/* After the first failure, which is in the error given to create, it does nothing. */
bool tern_whole_file_write(tern_whole_file *file, const void *data, size_t bytes);
/* If all writes went well and complete is true: flush to the disk and put the file in its
 * place.  Otherwise what was there before stays.  Frees the file in any case. */
bool tern_whole_file_finish(tern_whole_file *file, bool complete);

#endif
