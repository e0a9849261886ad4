/* Fuzzing of the readers of files: clang's libFuzzer makes up files, each a change of one
 * that reached new code, and calls LLVMFuzzerTestOneInput of fuzz_FORMAT.c with them, under
 * the address and undefined-behaviour sanitizers.  tests/fuzz/run begins with the files of
 * tests/fixtures.
 */
#ifndef TERN_TESTS_FUZZ_H
#define TERN_TESTS_FUZZ_H

#include "core/convert.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A format may change files in its own ways besides libFuzzer's, which it calls: `bytes`, of
 * which `size` are used and `room` are there, become the next file, whose size is returned.
 * The seed is all that chance may come from. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t room);

/* A promise of the reader; if it is broken, the fuzzer stops and keeps the file. */
void fuzz_require(bool promise);

/* What a reader accepted: its numbers agree with each other, all its bytes can be read. */
void fuzz_check_values(const tern_values *values, size_t bytes);

/* Bytes that are a file until the next call: readers that map its path are given these
 * very bytes, so that a look beyond them is seen. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* A header of text with its length before it, `width` bytes at `at`, little-endian. */
typedef struct fuzz_header {
    size_t at, width;
} fuzz_header;

/* A custom mutator for files with such a header. */
size_t fuzz_change_header(uint8_t *bytes, size_t size, size_t room, fuzz_header header,
                          unsigned seed);

#endif
