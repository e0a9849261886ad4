/* See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "core/host_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_FILE = 4096, LONGEST_NUMBER = 19 };

/* -------------------------------------------------------------- promises -- */

void fuzz_require(bool promise)
{
    if (!promise)
        abort();
}

void fuzz_check_values(const tern_values *values, size_t bytes)
{
    int64_t product = 1;
    volatile unsigned char sink = 0;
    bool empty = false;
    fuzz_require(values->rank >= 0 && values->rank <= TERN_MAX_RANK);
    for (int axis = 0; axis < values->rank; axis++) {
        fuzz_require(values->shape[axis] >= 0);
        empty = empty || values->shape[axis] == 0;
    }
    for (int axis = 0; axis < values->rank && !empty; axis++)
        fuzz_require(!__builtin_mul_overflow(product, values->shape[axis], &product));
    fuzz_require(values->count == (empty ? 0 : product));
    fuzz_require(bytes == (size_t)values->count * tern_dtype_size(values->dtype));
    fuzz_require(!bytes || (uintptr_t)values->data % tern_dtype_size(values->dtype) == 0);
    for (size_t i = 0; i < bytes; i++)
        sink = (unsigned char)(sink + ((const unsigned char *)values->data)[i]);
}

/* ----------------------------------------------------------------- files -- */

static tern_mapping current;

const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    current = (tern_mapping){ size ? bytes : NULL, size };
    return "made-up file";
}

/* In place of core/host_file.c: a mapping of a real file has the rest of its last page
 * behind it, where no sanitizer looks. */
bool tern_map_file(const char *path, tern_mapping *mapping, tern_error *error)
{
    (void)path;
    (void)error;
    *mapping = current;
    return true;
}

void tern_unmap_file(tern_mapping *mapping)
{
    *mapping = (tern_mapping){ NULL, 0 };
}

void tern_mapping_forget(const tern_mapping *mapping, const void *bytes, size_t count)
{
    (void)mapping;
    (void)bytes;
    (void)count;
}

/* --------------------------------------------------------------- changes -- */

/* Where a number begins, looked for from a place of the text on and again from its start; its
 * end goes to *end.  `size` if there is none. */
static size_t find_number(const uint8_t *text, size_t size, size_t from, size_t *end)
{
    for (size_t i = 0; i < size; i++) {
        size_t at = (from + i) % size;
        if (!isdigit(text[at]) || (at > 0 && isdigit(text[at - 1])))
            continue;
        for (*end = at; *end < size && isdigit(text[*end]);)
            ++*end;
        return at;
    }
    return size;
}

/* One number of the text becomes another: one that tends to break arithmetic, a neighbour of
 * what it was, or another number of the text. */
static size_t change_number(uint8_t *text, size_t size, size_t room, unsigned *seed)
{
    static const char *const telling[] = { "0",          "1",          "-1",
                                           "2147483648", "4294967296", "2305843009213693952",
                                           "4611686018427387904",      "9223372036854775807" };
    char digits[LONGEST_NUMBER + 2] = ""; /* and a sign */
    size_t end, from_end, at = find_number(text, size, (size_t)rand_r(seed) % size, &end);
    if (at == size)
        return LLVMFuzzerMutate(text, size, room);
    int choice = rand_r(seed) % 16;
    if (choice < 8) {
        strcpy(digits, telling[choice]);
    } else {
        size_t from = find_number(text, size, choice < 12 ? at : (size_t)rand_r(seed) % size,
                                  &from_end);
        size_t length = from_end - from < LONGEST_NUMBER - 1 ? from_end - from : LONGEST_NUMBER - 1;
        memcpy(digits, text + from, length);
        if (choice < 12)
            snprintf(digits, sizeof digits, "%lld", atoll(digits) + (choice % 2 ? 1 : -1));
    }
    size_t length = strlen(digits);
    if (at + length + (size - end) > room)
        return LLVMFuzzerMutate(text, size, room);
    memmove(text + at + length, text + end, size - end);
    memcpy(text + at, digits, length);
    return at + length + (size - end);
}

/* libFuzzer's changes seldom leave the header as long as the file says, and the file is then
 * refused at once.  So most changes are made to the header's text alone, and the length is set
 * right. */
size_t fuzz_change_header(uint8_t *bytes, size_t size, size_t room, fuzz_header header,
                          unsigned seed)
{
    uint8_t text[LONGEST_FILE];
    size_t begin = header.at + header.width, length = 0;
    for (size_t i = 0; i < header.width && header.at + i < size; i++)
        length |= (size_t)bytes[header.at + i] << 8 * i;
    int choice = rand_r(&seed) % 8;
    if (choice == 0 || size < begin || length == 0 || length > size - begin || room > sizeof text)
        return LLVMFuzzerMutate(bytes, size, room);

    size_t rest = size - begin - length; /* the data */
    memcpy(text, bytes + begin, length);
    size_t text_room = room - begin - rest, changed = length;
    if (choice < 3)
        changed = LLVMFuzzerMutate(text, length, text_room);
    else /* several at once, as only several can agree on a lie */
        do
            changed = change_number(text, changed, text_room, &seed);
        while (changed > 0 && rand_r(&seed) % 2);
    memmove(bytes + begin + changed, bytes + begin + length, rest);
    memcpy(bytes + begin, text, changed);
    for (size_t i = 0; i < header.width; i++)
        bytes[header.at + i] = (uint8_t)(changed >> 8 * i);
    return begin + changed + rest;
}
