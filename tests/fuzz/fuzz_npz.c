/* Any bytes as a .npz file: the file is read or refused, and so is each of its arrays. */
#include "tests/fuzz/fuzz.h"

#include "core/npy.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_EXPANSION = 1032 /* deflate makes of one byte at most so many */ };

/* --------------------------------------------------------------- reading -- */

/* Its size, 0 if it is refused. */
static size_t read_array(const tern_npz *npz, const char *name)
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
    size_t size = array.bytes;
    tern_array_free(&array);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    tern_error error = { 0 };
    tern_npz *npz = tern_npz_open(fuzz_file(bytes, size), &error);
    fuzz_require((npz != NULL) == (error.code == TERN_OK));
    size_t total = 0;
    for (int i = 0; npz && i < tern_npz_count(npz); i++)
        total += read_array(npz, tern_npz_name(npz, i));
    fuzz_require(total <= size * MAX_EXPANSION);
    tern_npz_close(npz);
    return 0;
}

/* -------------------------------------------------------------- changing -- */

/* A number of two or four bytes becomes another one wherever it stands: one that tends to
 * break arithmetic, or a neighbour, or a number from elsewhere in the file. */
static void change_number(uint8_t *bytes, size_t size, unsigned seed)
{
    static const uint32_t telling[] = { 0, 1, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff };
    size_t width = rand_r(&seed) % 2 ? 4 : 2, places = size - width + 1;
    uint8_t old[4] = { 0 };
    uint32_t number;
    memcpy(old, bytes + (size_t)rand_r(&seed) % places, width);
    memcpy(&number, old, sizeof number);
    int choice = rand_r(&seed) % 16;
    if (choice < 6)
        number = telling[choice];
    else if (choice < 12)
        number += (uint32_t)(rand_r(&seed) % 33 - 16);
    else
        memcpy(&number, bytes + (size_t)rand_r(&seed) % places, width);
    for (size_t at = 0; at < places; at++)
        if (memcmp(bytes + at, old, width) == 0)
            memcpy(bytes + at, &number, width);
}

/* An archive says most things twice, before a member and in the directory, and is refused at
 * once where the two differ.  libFuzzer's changes are all to one place; half of these are to
 * every place that says the same. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed)
{
    if (size < sizeof(uint32_t) || rand_r(&seed) % 2)
        return LLVMFuzzerMutate(bytes, size, room);
    change_number(bytes, size, seed);
    return size;
}
