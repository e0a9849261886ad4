/* Cold measurements: take data out of the caches before a timed call.
 *
 * What could fool a reader of a cold time: addresses stay translated (the TLB is not emptied,
 * and a flush even fills it), the code and the branch predictors stay warm, and buffers that
 * the caller did not name (packed weights, workspaces) stay where they are; bench_sweep takes
 * those out too. */
#ifndef TERN_BENCH_MEASURE_EVICT_H
#define TERN_BENCH_MEASURE_EVICT_H

#include "bench/measure/caches.h"
#include "core/error.h"
#include "core/threads.h"

/* Remove these bytes from every cache of every core, which writes them back to memory where
 * they were changed; about 10 ns a line of 64 bytes.  False, and nothing done, where the CPU
 * has no instruction for it. */
bool bench_flush(const void *data, size_t bytes);
bool bench_can_flush(void);

typedef struct bench_evictor bench_evictor;

typedef struct bench_buffer {
    const void *data;
    size_t bytes;
} bench_buffer;

/* For calls that run on this pool, which must outlive it; NULL on failure. */
bench_evictor *bench_evictor_new(tern_pool *pool, tern_error *error);
void bench_evictor_free(bench_evictor *evictor);

/* Take the buffers (NULL ones are left out) out of all caches, or, without an instruction
 * that flushes, sweep.  Afterwards the threads of the pool spin again, as they do in a hot
 * run: without that a cold time would hold the 50 us that it takes to wake them. */
void bench_evict(bench_evictor *evictor, const bench_buffer *buffers, int count);

/* Every thread reads and writes a buffer of its own until the caches hold nothing else: twice
 * its caches and its share of the L3, up to 64 MiB a thread.  An L3 that is greater keeps
 * some of what it held. */
void bench_sweep(bench_evictor *evictor);

/* Whether bench_evict leaves nothing in a cache: there is a flush, or the sweep covers L3. */
bool bench_evicts_all(const bench_evictor *evictor);

#endif
