/* The caches of the machine, and in which of them so many bytes can lie. */
#ifndef TERN_BENCH_MEASURE_CACHES_H
#define TERN_BENCH_MEASURE_CACHES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum bench_level {
    BENCH_L1,
    BENCH_L2,
    BENCH_L3,
    BENCH_MEMORY,
    BENCH_LEVELS
} bench_level;

/* A cache of data.  What the system says can be wrong in a virtual machine: an L3 of
 * hundreds of MiB may be the host's, of which other guests hold an unknown part. */
typedef struct bench_cache {
    size_t bytes; /* 0 if there is no cache of this level       */
    int sharers;  /* cores that share one of them, at least one */
} bench_cache;

typedef struct bench_caches {
    bench_cache level[BENCH_MEMORY];
    size_t line_bytes; /* what one flush removes */
} bench_caches;

/* From the system's files about the first CPU that this process may use (cores of two kinds
 * are not told apart); else from sysconf; else 32 KiB, 512 KiB and 8 MiB, which most cores
 * of the last ten years have at least. */
bench_caches bench_caches_read(void);

/* "L1", "L2", "L3", "memory" */
const char *bench_level_name(bench_level level);

/* Bytes that the caches of this level hold for so many threads, each on a core of its own,
 * spread over as many of the shared caches as there can be; the inner caches' bytes do not
 * count.  Of memory as much as a size_t holds. */
size_t bench_cache_bytes(const bench_caches *caches, bench_level level, int threads);

/* The first level that can hold that many bytes for each of the threads. */
bench_level bench_level_of(const bench_caches *caches, size_t bytes_a_thread, int threads);

#endif
