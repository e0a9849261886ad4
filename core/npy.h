/* .npy and .npz: NumPy's files of one array and of several.
 *
 *   .npy   | \x93NUMPY | version | length of header | header, a Python dictionary | data |
 *
 *          {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 *   .npz   a zip archive with a member NAME.npy for each array, stored or deflated
 *
 * Read are versions 1.0, 2.0 and 3.0, little-endian f64, f32, i64, i32, u8 and bool (as
 * u8), in C order or Fortran order, which becomes C order.  Everything a header says is
 * checked before memory is taken for it; an error names the file and the array.
 *
 * All of this is plain host memory: no context is needed.
 */
#ifndef TERN_CORE_NPY_H
#define TERN_CORE_NPY_H

#include "core/error.h"
#include "core/tensor.h"

/* An array in memory of its own. */
typedef struct tern_array {
    tern_dtype dtype;
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count; /* elements  */
    size_t bytes;
    void *data;    /* row-major */
} tern_array;

void tern_array_free(tern_array *array);

/* ----------------------------------------------------------------- .npy -- */

/* False and an error if the file cannot be read (TERN_ERR_IO), is not what it claims to
 * be (TERN_ERR_FORMAT), or has an element type or more axes than tern knows
 * (TERN_ERR_DTYPE, TERN_ERR_SHAPE); array is then empty. */
bool tern_npy_read(const char *path, tern_array *array, tern_error *error);

/* The same from memory; `where` stands before messages. */
bool tern_npy_parse(const void *bytes, size_t size, const char *where, tern_array *array,
                    tern_error *error);

/* The file appears whole or not at all. */
bool tern_npy_write(const char *path, tern_dtype dtype, int rank, const int64_t *shape,
                    const void *data, tern_error *error);

/* ----------------------------------------------------------------- .npz -- */

typedef struct tern_npz tern_npz;

/* NULL and an error if the file cannot be read or its directory lies. */
tern_npz *tern_npz_open(const char *path, tern_error *error);
void tern_npz_close(tern_npz *npz);

/* Arrays are numbered as in the archive's directory; names are without ".npy". */
int tern_npz_count(const tern_npz *npz);
const char *tern_npz_name(const tern_npz *npz, int index);
bool tern_npz_has(const tern_npz *npz, const char *name);
/* Unpack one array and check it against its checksum. */
bool tern_npz_read(const tern_npz *npz, const char *name, tern_array *array, tern_error *error);

typedef struct tern_npz_writer tern_npz_writer;

/* Begin an archive; members are deflated or stored.  The writer reports through `error`
 * until it is finished: after a failure all further calls do nothing. */
tern_npz_writer *tern_npz_create(const char *path, bool deflate, tern_error *error);
/* All that is given is copied. */
void tern_npz_add(tern_npz_writer *writer, const char *name, tern_dtype dtype, int rank,
                  const int64_t *shape, const void *data);
/* Write the file, whole or not at all, and free the writer in any case. */
bool tern_npz_finish(tern_npz_writer *writer);
/* Free the writer without writing anything. */
void tern_npz_discard(tern_npz_writer *writer);

#endif
