/* Allocations that fail when a test says so.
 *
 * The linker puts the functions below in place of malloc and its like in all of tern, in the
 * programs named test_out_of_memory* (Makefile), each of which includes this once.  A story
 * is told once for each of its allocations, which then fails, alone or with all that follow
 * it: whatever it is, the error says that memory is out, nothing crashes, nothing leaks
 * (tests/check runs these programs under AddressSanitizer).
 */
#ifndef TERN_TESTS_FAILING_MEMORY_H
#define TERN_TESTS_FAILING_MEMORY_H

#include "tests/check.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ------------------------------------------------------------ allocators -- */

static struct {
    atomic_long left;    /* allocations until one fails */
    atomic_bool armed;
    atomic_bool all;     /* those after it fail too     */
    atomic_bool failed;  /* one has                     */
    atomic_bool in_json; /* and it was jansson's        */
} trial;

static bool fails(void)
{
    if (!trial.armed)
        return false;
    long left = atomic_fetch_sub(&trial.left, 1);
    if (left > 0 || (left < 0 && !trial.all))
        return false;
    trial.failed = true;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);
int __wrap_asprintf(char **text, const char *format, ...);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_realloc(memory, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = fails() ? NULL : __real_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    char *copy = fails() ? NULL : __real_calloc(length + 1, 1);
    return copy ? memcpy(copy, text, length) : NULL;
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = fails() ? -1 : vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(address, bytes, protection, flags, file, offset);
}

/* For json_set_alloc_funcs: jansson is no part of what the linker joins. */
static void *failing_json_malloc(size_t bytes)
{
    bool failed = fails();
    if (failed)
        trial.in_json = true;
    return failed ? NULL : __real_malloc(bytes);
}

/* ---------------------------------------------------------------- trials -- */

/* Tells its story; an error goes into *error, and what it opened is closed in any case. */
typedef void (*story)(tern_error *error);

static void try_once(story tell, const char *name, long number, bool all)
{
    tern_error error = { 0 };
    trial.left = number;
    trial.all = all;
    trial.failed = false;
    trial.in_json = false;
    trial.armed = true;
    tell(&error);
    trial.armed = false;
    /* Some things are done without; and jansson calls what it has no memory to read bad
     * syntax. */
    if (error.code && !(trial.failed && (error.code == TERN_ERR_MEMORY || trial.in_json)))
        fail_msg("%s, allocation %ld%s: %s error: %s", name, number, all ? " and all after it" : "",
                 tern_status_name(error.code), error.message);
    if (error.code && !*error.message)
        fail_msg("%s, allocation %ld: an error without a message", name, number);
}

/* With one allocation after the other failing, until there are no more.  Where a story is
 * long, each step to the next is larger than the last by one part in `slower` of how far it
 * has come. */
static void try_some(story tell, const char *name, long slower)
{
    for (int all = 0; all < 2; all++) {
        long number = 0;
        for (trial.failed = true; trial.failed; number += 1 + number / slower)
            try_once(tell, name, number, all);
        assert_true(number > 1);
    }
}

static void try_all(story tell, const char *name)
{
    try_some(tell, name, LONG_MAX);
}

#endif
