/* Any bytes as a safetensors file: the file is read or refused, and so is each tensor. */
#include "tests/fuzz/fuzz.h"

#include "core/safetensors.h"

#include <string.h>

static void read_tensor(const tern_safetensors *file, int index)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_at(file, index, &error);
    fuzz_require((stored != NULL) == (error.code == TERN_OK));
    if (!stored)
        return;
    tern_values values = { .dtype = stored->dtype, .rank = stored->rank, .count = stored->count,
                           .data = stored->data };
    memcpy(values.shape, stored->shape, sizeof values.shape);
    fuzz_check_values(&values, stored->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(fuzz_file(bytes, size), &error);
    fuzz_require((file != NULL) == (error.code == TERN_OK));
    for (int i = 0; file && i < tern_safetensors_count(file); i++)
        read_tensor(file, i);
    tern_safetensors_close(file);
    return 0;
}
