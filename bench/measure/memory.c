/* Memory of the process and of the system, from /proc. */
#include "bench/measure/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* "KEY   123 kB" of a file; -1 if there is no such line. */
static int64_t kib_of(const char *path, const char *key)
{
    char line[256];
    int64_t kib = -1;
    FILE *file = fopen(path, "r");
    while (file && kib < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%" SCNd64, &kib);
    if (file)
        fclose(file);
    return kib;
}

int64_t bench_resident_bytes(void)
{
    int64_t kib = kib_of("/proc/self/status", "VmRSS:");
    return kib < 0 ? -1 : kib * 1024;
}

int64_t bench_peak_resident_bytes(void)
{
    int64_t kib = kib_of("/proc/self/status", "VmHWM:");
    return kib < 0 ? -1 : kib * 1024;
}

void bench_forget_peak(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return;
    fputs("5", file);
    fclose(file);
}

int64_t bench_available_bytes(void)
{
    int64_t kib = kib_of("/proc/meminfo", "MemAvailable:");
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
