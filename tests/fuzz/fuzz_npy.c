/* Any bytes as a .npy file are read or refused. */
#include "tests/fuzz/fuzz.h"

#include "core/npy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    tern_array array;
    tern_error error = { 0 };
    bool read = tern_npy_parse(bytes, size, "fuzz.npy", &array, &error);
    fuzz_require(read == (error.code == TERN_OK) && read == (array.data != NULL));
    if (read) {
        tern_values values = { .dtype = array.dtype, .rank = array.rank, .count = array.count,
                               .data = array.data };
        memcpy(values.shape, array.shape, sizeof values.shape);
        fuzz_check_values(&values, array.bytes);
    }
    tern_array_free(&array);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed)
{
    bool first_version = size > 6 && bytes[6] == 1;
    return fuzz_change_header(bytes, size, room,
                              (fuzz_header){ .at = 8, .width = first_version ? 2 : 4 }, seed);
}
