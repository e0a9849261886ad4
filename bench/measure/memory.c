/* Resident memory from /proc, and a count of heap allocations.
 *
 * The count comes from standing in front of glibc's malloc: a program's own definition
 * is the one that everything linked to it calls. */
#include "bench/measure/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int64_t status_kib(const char *key)
{
    char line[256];
    int64_t kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kib < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%" SCNd64, &kib);
    if (file)
        fclose(file);
    return kib;
}

int64_t bench_resident_bytes(void)
{
    int64_t kib = status_kib("VmRSS:");
    return kib < 0 ? -1 : kib * 1024;
}

int64_t bench_peak_resident_bytes(void)
{
    int64_t kib = status_kib("VmHWM:");
    return kib < 0 ? -1 : kib * 1024;
}

/* The linker's names for the first byte of the program and the byte after its code. */
extern const char __executable_start, etext;

void bench_load_code(void)
{
    enum { PAGE_BYTES = 4096 };
    uintptr_t end = (uintptr_t)&etext;
    for (uintptr_t at = (uintptr_t)&__executable_start; at < end; at += PAGE_BYTES)
        (void)*(const volatile char *)at;
}

static atomic_uint_fast64_t allocations;

uint64_t bench_heap_allocations(void)
{
    return atomic_load(&allocations);
}

/* Sanitizers stand in front of malloc themselves; then nothing is counted. */
#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#if defined(__GLIBC__) && !SANITIZED
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(old, bytes);
}
#endif
