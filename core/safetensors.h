/* safetensors files: named tensors behind a JSON header.
 *
 *   | N: u64 little-endian | N bytes of JSON, space-padded | data of all tensors |
 *
 *   {"__metadata__":{"torch":"2.15"},
 *    "conv.weight":{"dtype":"F32","shape":[8,3,3,3],"data_offsets":[0,864]}, ...}
 *
 * Offsets count from the end of the header; the tensors fill the data without
 * gap or overlap.  Reading maps the file, so opening a large checkpoint costs
 * nothing until its values are looked at.  Everything the header says is checked
 * when the file is opened; an error names the file and the tensor.
 *
 * Read are F64, F32, BF16, I64, I32, U8 and BOOL (as u8).
 *
 * All of this is plain host memory: no context is needed.
 */
#ifndef TERN_CORE_SAFETENSORS_H
#define TERN_CORE_SAFETENSORS_H

#include "core/error.h"
#include "core/tensor.h"

/* ------------------------------------------------------------- reading -- */

typedef struct tern_safetensors tern_safetensors;

/* A tensor in an open file.  Name and data live until the file is closed. */
typedef struct tern_stored {
    const char *name;
    tern_dtype dtype;
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count;    /* elements                             */
    size_t bytes;
    const void *data; /* row-major, aligned to an element     */
} tern_stored;

/* NULL and an error if the file cannot be read or its header lies: TERN_ERR_IO,
 * TERN_ERR_FORMAT.  The file must not shrink while it is open; one that is
 * replaced by rename, as the writer below does, is safe. */
tern_safetensors *tern_safetensors_open(const char *path, tern_error *error);
void tern_safetensors_close(tern_safetensors *file);

/* Tensors are numbered by their place in the file. */
int tern_safetensors_count(const tern_safetensors *file);
const char *tern_safetensors_name(const tern_safetensors *file, int index);

/* One tensor, by number or by name.  NULL and an error if there is none
 * (TERN_ERR_ARGUMENT) or if tern has no such element type or rank
 * (TERN_ERR_DTYPE, TERN_ERR_SHAPE); its neighbours can still be read. */
const tern_stored *tern_safetensors_at(const tern_safetensors *file, int index, tern_error *error);
const tern_stored *tern_safetensors_find(const tern_safetensors *file, const char *name,
                                         tern_error *error);
bool tern_safetensors_has(const tern_safetensors *file, const char *name);
/* Its values have been used and need not stay in memory; they can still be read. */
void tern_safetensors_forget(const tern_safetensors *file, const tern_stored *stored);

/* A string of the metadata, NULL if the file has none of that key. */
const char *tern_safetensors_metadata(const tern_safetensors *file, const char *key);

/* ------------------------------------------------------------- writing -- */

typedef struct tern_safetensors_writer tern_safetensors_writer;

/* Begin a file.  The writer reports through `error` until it is finished: after
 * a failure all further calls do nothing, so only finish need be checked. */
tern_safetensors_writer *tern_safetensors_create(const char *path, tern_error *error);

/* `data` is borrowed until finish; name and shape are copied. */
void tern_safetensors_add(tern_safetensors_writer *writer, const char *name, tern_dtype dtype,
                          int rank, const int64_t *shape, const void *data);
/* Set a string of the metadata; a later value of the same key replaces it. */
void tern_safetensors_set_metadata(tern_safetensors_writer *writer, const char *key,
                                   const char *value);

/* Write the file and free the writer, in any case.  The file appears whole or
 * not at all: it is written beside its place, flushed to the disk and renamed;
 * on an error what was there before stays. */
bool tern_safetensors_finish(tern_safetensors_writer *writer);
/* Free the writer without writing anything. */
void tern_safetensors_discard(tern_safetensors_writer *writer);

#endif
