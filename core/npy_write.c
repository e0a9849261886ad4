/* Writing .npy: version 1.0, C order, a whole file or none. */
#include "core/host_file.h"
#include "core/npy_private.h"

#include <stdio.h>
#include <string.h>

static const char *descr_of(tern_dtype dtype)
{
    switch (dtype) {
    case TERN_F64: return "<f8";
    case TERN_F32: return "<f4";
    case TERN_I32: return "<i4";
    case TERN_I64: return "<i8";
    case TERN_U8: return "|u1";
    case TERN_BF16:
    case TERN_NO_DTYPE: break;
    }
    return NULL;
}

size_t tern_npy_header(const char *where, tern_dtype dtype, int rank, const int64_t *shape,
                       unsigned char *header, size_t *data_bytes, tern_error *error)
{
    enum { PREFIX = 10 }; /* magic, version, two bytes of length */
    const char *descr = descr_of(dtype);
    char tuple[TERN_MAX_RANK * 24] = "", text[TERN_NPY_HEADER_BYTES];
    int used = 0;

    if (!descr) {
        tern_error_set(error, TERN_ERR_DTYPE, "%s: NumPy has no element type %s", where,
                       tern_dtype_name(dtype));
        return 0;
    }
    if (rank < 0 || rank > TERN_MAX_RANK) {
        tern_error_set(error, TERN_ERR_SHAPE, "%s: %d axes; tern's arrays have at most %d", where,
                       rank, TERN_MAX_RANK);
        return 0;
    }
    *data_bytes = tern_dtype_size(dtype);
    for (int axis = 0; axis < rank; axis++) {
        if (shape[axis] < 0 ||
            __builtin_mul_overflow(*data_bytes, (size_t)shape[axis], data_bytes)) {
            tern_error_set(error, TERN_ERR_SHAPE, "%s: axis %d of %lld is impossible", where, axis,
                           (long long)shape[axis]);
            return 0;
        }
        used += snprintf(tuple + used, sizeof tuple - (size_t)used, "%s%lld", axis ? ", " : "",
                         (long long)shape[axis]);
    }
    int length = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, "
                          "'shape': (%s%s), }", descr, tuple, rank == 1 ? "," : "");
    size_t whole = (PREFIX + (size_t)length + 1 + 63) / 64 * 64;
    static const unsigned char begins[] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0 };
    memset(header, ' ', whole);
    memcpy(header, begins, sizeof begins);
    header[8] = (unsigned char)((whole - PREFIX) & 255);
    header[9] = (unsigned char)((whole - PREFIX) >> 8);
    memcpy(header + PREFIX, text, (size_t)length);
    header[whole - 1] = '\n';
    return whole;
}

bool tern_npy_write(const char *path, tern_dtype dtype, int rank, const int64_t *shape,
                    const void *data, tern_error *error)
{
    unsigned char header[TERN_NPY_HEADER_BYTES];
    size_t data_bytes, length = tern_npy_header(path, dtype, rank, shape, header, &data_bytes,
                                                error);
    tern_whole_file *file = length ? tern_whole_file_create(path, error) : NULL;
    if (!file)
        return false;
    bool complete = tern_whole_file_write(file, header, length) &&
                    tern_whole_file_write(file, data, data_bytes);
    return tern_whole_file_finish(file, complete);
}
