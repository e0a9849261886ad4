/* Any bytes as a .npz file: the file is read or refused, and so is each of its arrays. */
#include "tests/fuzz/fuzz.h"

#include "core/npy.h"

#include <string.h>

static void read_array(const tern_npz *npz, const char *name)
{
    tern_array array;
    tern_error error = { 0 };
    bool read = tern_npz_read(npz, name, &array, &error);
    fuzz_require(read == (error.code == TERN_OK) && read == (array.data != NULL));
    if (read) {
        tern_values values = { .dtype = array.dtype, .rank = array.rank, .count = array.count,
                               .data = array.data };
        memcpy(values.shape, array.shape, sizeof values.shape);
        fuzz_check_values(&values, array.bytes);
    }
    tern_array_free(&array);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    tern_error error = { 0 };
    tern_npz *npz = tern_npz_open(fuzz_file(bytes, size), &error);
    fuzz_require((npz != NULL) == (error.code == TERN_OK));
    for (int i = 0; npz && i < tern_npz_count(npz); i++)
        read_array(npz, tern_npz_name(npz, i));
    tern_npz_close(npz);
    return 0;
}
