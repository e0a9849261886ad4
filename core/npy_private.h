/* What .npz takes from .npy; for core's own files only. */
#ifndef TERN_CORE_NPY_PRIVATE_H
#define TERN_CORE_NPY_PRIVATE_H

#include "core/npy.h"

enum { TERN_NPY_HEADER_BYTES = 320 };

/* The bytes before an array's data, a multiple of 64: the magic, version 1.0 and the
 * dictionary.  Sets *data_bytes.  0 and an error naming `where` if the array cannot be. */
size_t tern_npy_header(const char *where, tern_dtype dtype, int rank, const int64_t *shape,
                       unsigned char *header, size_t *data_bytes, tern_error *error);

#endif
