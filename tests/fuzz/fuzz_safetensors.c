/* Any bytes as a safetensors file: the file is read or refused, and so is each tensor. */
#include "tests/fuzz/fuzz.h"

#include "core/safetensors.h"

#include <jansson.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* --------------------------------------------------------------- reading -- */

/* The linker puts this in the place of jansson's, which the sanitizers cannot look into. */
json_t *__real_json_loadb(const char *, size_t, size_t, json_error_t *);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *problem);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *problem)
{
    fuzz_require(!__asan_region_is_poisoned((void *)text, size));
    return __real_json_loadb(text, size, flags, problem);
}

static const tern_stored *read_tensor(const tern_safetensors *file, int index)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_at(file, index, &error);
    fuzz_require((stored != NULL) == (error.code == TERN_OK));
    fuzz_require(tern_safetensors_find(file, tern_safetensors_name(file, index), NULL) == stored);
    if (!stored)
        return NULL;
    tern_values values = { .dtype = stored->dtype, .rank = stored->rank, .count = stored->count,
                           .data = stored->data };
    memcpy(values.shape, stored->shape, sizeof values.shape);
    fuzz_check_values(&values, stored->bytes);
    return stored;
}

static bool apart(const tern_stored *a, const tern_stored *b)
{
    uintptr_t a_begin = (uintptr_t)a->data, b_begin = (uintptr_t)b->data;
    return a_begin + a->bytes <= b_begin || b_begin + b->bytes <= a_begin;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(fuzz_file(bytes, size), &error);
    fuzz_require((file != NULL) == (error.code == TERN_OK));
    size_t total = LENGTH_BYTES;
    for (int i = 0; file && i < tern_safetensors_count(file); i++) {
        const tern_stored *tensor = read_tensor(file, i);
        for (int before = 0; tensor && before < i; before++) {
            const tern_stored *other = tern_safetensors_at(file, before, NULL);
            fuzz_require(!other || apart(tensor, other));
        }
        total += tensor ? tensor->bytes : 0;
    }
    fuzz_require(!file || total <= size);
    if (file && !tern_safetensors_has(file, "no such tensor"))
        fuzz_require(!tern_safetensors_find(file, "no such tensor", &error) && error.code);
    if (file && tern_safetensors_metadata(file, "torch"))
        fuzz_require(strlen(tern_safetensors_metadata(file, "torch")) < size);
    tern_safetensors_close(file);
    return 0;
}

/* -------------------------------------------------------------- changing -- */

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed)
{
    return fuzz_change_header(bytes, size, room, (fuzz_header){ .at = 0, .width = LENGTH_BYTES },
                              seed);
}
