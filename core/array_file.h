/* Named arrays in a file, whatever its format: the name's end tells it.
 *
 *   .safetensors   core/safetensors.h
 *   .npz           core/npy.h
 *   .npy           core/npy.h: one array, called "" here
 */
#ifndef TERN_CORE_ARRAY_FILE_H
#define TERN_CORE_ARRAY_FILE_H

#include "core/convert.h"

typedef struct tern_array_file tern_array_file;

/* NULL and an error if the name ends otherwise or the file is not what its name says. */
tern_array_file *tern_array_file_open(const char *path, tern_error *error);
void tern_array_file_close(tern_array_file *file);

int tern_array_file_count(const tern_array_file *file);
const char *tern_array_file_name(const tern_array_file *file, int index);
bool tern_array_file_has(const tern_array_file *file, const char *name);
/* Values live until the file is closed.  False and an error if there is no such array or
 * tern cannot hold its element type or rank; the others can still be read. */
bool tern_array_file_read(tern_array_file *file, const char *name, tern_values *values,
                          tern_error *error);

typedef struct tern_array_writer tern_array_writer;

/* Begin a file.  The writer reports through `error` until it is finished: after a failure
 * all further calls do nothing, so only finish need be checked. */
tern_array_writer *tern_array_create(const char *path, tern_error *error);
/* The data are borrowed until finish. */
void tern_array_add(tern_array_writer *writer, const tern_values *values);
/* Write the file, whole or not at all, and free the writer in any case. */
bool tern_array_finish(tern_array_writer *writer);
/* Free the writer without writing anything. */
void tern_array_discard(tern_array_writer *writer);

#endif
