/* Fuzzing of the readers of files: clang's libFuzzer makes up files, each a change of one
 * that reached new code, and calls LLVMFuzzerTestOneInput of fuzz_FORMAT.c with them, under
 * the address and undefined-behaviour sanitizers.  `tests/check fuzz` runs them; the first
 * files are those of tests/fixtures.
 */
#ifndef TERN_TESTS_FUZZ_H
#define TERN_TESTS_FUZZ_H

#include "core/convert.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A promise of the reader; if it is broken, the fuzzer stops and keeps the file. */
void fuzz_require(bool promise);

/* What a reader accepted: its numbers agree with each other, all its bytes can be read. */
void fuzz_check_values(const tern_values *values, size_t bytes);

/* Bytes that are a file until the next call: readers that map its path are given these
 * very bytes, so that a look beyond them is seen. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

#endif
