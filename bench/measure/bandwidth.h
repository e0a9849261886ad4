/* Bytes a second that threads can read, or copy, within each level of the caches. */
#ifndef TERN_BENCH_MEASURE_BANDWIDTH_H
#define TERN_BENCH_MEASURE_BANDWIDTH_H

#include "bench/measure/caches.h"
#include "core/error.h"
#include "core/simd.h"
#include "core/threads.h"

typedef enum bench_traffic {
    BENCH_READ, /* nothing but loads */
    BENCH_COPY  /* one half to the other: bytes read and bytes written both count */
} bench_traffic;

/* Each thread of a pool with memory of its own. */
typedef struct bench_bandwidth bench_bandwidth;

/* The pool must outlive it.  NULL on failure. */
bench_bandwidth *bench_bandwidth_new(tern_pool *pool, tern_error *error);
void bench_bandwidth_free(bench_bandwidth *bandwidth);

/* Bytes of the working set of each thread: half of an L1 or L2; four times the L2, but at
 * most half of the share in an L3; 16 MiB of memory.  0 if there is no such cache, or if it
 * has no room beside the L2s. */
size_t bench_bandwidth_bytes(const bench_bandwidth *bandwidth, bench_level level);

/* Bytes a second of all threads together, in one try of about half a millisecond that all
 * threads begin at the same time; take the best of many.  Loads and stores are as wide as
 * those of the named SIMD level; 0 if there is no such.
 *
 * From memory: the lines are flushed before, and a copy's stores go past the caches, which
 * saves reading what will be overwritten; ordinary stores reach about two thirds of that.
 * What could fool it: a busy neighbour on the other cores (too low), small pages where huge
 * ones are refused (too low), guests of the same host in L3 (too low); without an
 * instruction that flushes, an L3 greater than 64 MiB a thread (memory too high). */
double bench_bandwidth_measure(bench_bandwidth *bandwidth, bench_traffic traffic,
                               bench_level level, const char *simd);

/* For bandwidth.c: one thread's loops, over a multiple of 4096 bytes. */
void TERN_LEVEL(bench_read_loop)(const float *data, size_t bytes, int passes);
void TERN_LEVEL(bench_copy_loop)(float *to, const float *from, size_t bytes, int passes);
void TERN_LEVEL(bench_stream_loop)(float *to, const float *from, size_t bytes, int passes);

#endif
