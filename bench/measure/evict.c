/* Flushing line by line where the CPU can, else filling the caches with something else. */
#include "bench/measure/evict.h"

#include <stdint.h>
#include <stdlib.h>

#include "bench/measure/region.h"
#include "bench/measure/together.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <immintrin.h>

enum { CPUID_CLFLUSH = 1 << 19, CPUID_CLFLUSHOPT = 1 << 23 }; /* leaf 1 EDX, leaf 7 EBX */

/* Many of these are under way at once; clflush waits for the one before it. */
__attribute__((target("clflushopt"))) static void flush_unordered(uintptr_t at, uintptr_t end,
                                                                  size_t line)
{
    for (; at < end; at += line)
        _mm_clflushopt((void *)at);
}

static void flush_ordered(uintptr_t at, uintptr_t end, size_t line)
{
    for (; at < end; at += line)
        _mm_clflush((const void *)at);
}

bool bench_can_flush(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (d & CPUID_CLFLUSH);
}

bool bench_flush(const void *data, size_t bytes)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(d & CPUID_CLFLUSH))
        return false;
    size_t line = (b >> 8 & 0xff) * 8; /* CPUID counts it in eights of bytes */
    if (line == 0)
        line = 64; /* a hypervisor that leaves it out */
    uintptr_t first = (uintptr_t)data / line * line, end = (uintptr_t)data + bytes;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CPUID_CLFLUSHOPT))
        flush_unordered(first, end, line);
    else
        flush_ordered(first, end, line);
    _mm_mfence();
    return true;
}
#else
bool bench_can_flush(void)
{
    return false;
}

bool bench_flush(const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return false;
}
#endif

enum { MOST_SWEPT_BYTES = 64 << 20 };

struct bench_evictor {
    tern_pool *pool;
    bench_caches caches;
    int threads;
    size_t swept_bytes; /* by each thread; allocated when first needed */
    bench_region region;
};

static size_t bytes_to_sweep(const bench_caches *caches, int threads)
{
    size_t bytes = 0;
    for (int level = BENCH_L1; level < BENCH_MEMORY; level++)
        bytes += 2 * bench_cache_bytes(caches, (bench_level)level, threads) / (size_t)threads;
    return bytes < MOST_SWEPT_BYTES ? bytes : MOST_SWEPT_BYTES;
}

bench_evictor *bench_evictor_new(tern_pool *pool, tern_error *error)
{
    bench_evictor *evictor = calloc(1, sizeof *evictor);
    if (!evictor) {
        tern_error_set(error, TERN_ERR_MEMORY, "cold measurement: out of memory");
        return NULL;
    }
    evictor->pool = pool;
    evictor->caches = bench_caches_read();
    evictor->threads = tern_pool_threads(pool);
    evictor->swept_bytes = bytes_to_sweep(&evictor->caches, evictor->threads);
    if (!bench_region_open(&evictor->region, evictor->swept_bytes * (size_t)evictor->threads,
                           error)) {
        free(evictor);
        return NULL;
    }
    return evictor;
}

void bench_evictor_free(bench_evictor *evictor)
{
    if (!evictor)
        return;
    bench_region_close(&evictor->region);
    free(evictor);
}

bool bench_evicts_all(const bench_evictor *evictor)
{
    return bench_can_flush() || evictor->swept_bytes < MOST_SWEPT_BYTES;
}

static void awake_tile(void *argument, int64_t tile, int worker)
{
    (void)argument;
    (void)tile;
    (void)worker;
}

static void sweep_tile(void *argument, int64_t tile, int worker)
{
    bench_evictor *evictor = argument;
    volatile char *bytes = (char *)evictor->region.data + (size_t)worker * evictor->swept_bytes;
    (void)tile;
    for (size_t i = 0; i < evictor->swept_bytes; i += evictor->caches.line_bytes)
        bytes[i] = (char)(bytes[i] + 1);
}

void bench_sweep(bench_evictor *evictor)
{
    bench_on_every_thread(evictor->pool, sweep_tile, evictor);
    bench_on_every_thread(evictor->pool, awake_tile, NULL);
}

void bench_evict(bench_evictor *evictor, const bench_buffer *buffers, int count)
{
    if (!bench_can_flush()) {
        bench_sweep(evictor);
        return;
    }
    for (int i = 0; i < count; i++)
        if (buffers[i].data)
            bench_flush(buffers[i].data, buffers[i].bytes);
    bench_on_every_thread(evictor->pool, awake_tile, NULL);
}
