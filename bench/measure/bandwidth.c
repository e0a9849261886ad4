/* The loops of bandwidth_cpu.c on all threads at once, each in its own part of memory. */
#include "bench/measure/bandwidth.h"

#include <stdlib.h>
#include <string.h>

#include "bench/measure/evict.h"
#include "bench/measure/machine.h"
#include "bench/measure/region.h"
#include "bench/measure/together.h"

typedef void (*copy_loop)(float *to, const float *from, size_t bytes, int passes);

void bench_read_loop_avx2(const float *data, size_t bytes, int passes);
void bench_read_loop_avx512(const float *data, size_t bytes, int passes);
void bench_copy_loop_avx2(float *to, const float *from, size_t bytes, int passes);
void bench_copy_loop_avx512(float *to, const float *from, size_t bytes, int passes);
void bench_stream_loop_avx2(float *to, const float *from, size_t bytes, int passes);
void bench_stream_loop_avx512(float *to, const float *from, size_t bytes, int passes);

typedef struct loops {
    const char *simd;
    void (*read)(const float *data, size_t bytes, int passes);
    copy_loop copy, stream;
} loops;

static const loops levels[] = {
    { "base", bench_read_loop_base, bench_copy_loop_base, bench_stream_loop_base },
    { "avx2", bench_read_loop_avx2, bench_copy_loop_avx2, bench_stream_loop_avx2 },
    { "avx512", bench_read_loop_avx512, bench_copy_loop_avx512, bench_stream_loop_avx512 },
};

enum {
    LOOP_BYTES = 4096,          /* working sets are multiples of twice this     */
    MEMORY_BYTES = 16 << 20,    /* a thread; flushed before each try            */
    UNFLUSHED_BYTES = 64 << 20, /* the same without an instruction that flushes */
    PADDING_BYTES = 8192
};

/* What is passed over in one try: long beside the start of the threads and the clock, short
 * beside the time slices of the system. */
static const size_t traffic_bytes[BENCH_LEVELS] = { 64u << 20, 32u << 20, 16u << 20, 1 };

typedef struct thread_time {
    _Alignas(64) double start, end; /* each thread writes a line of its own */
} thread_time;

struct bench_bandwidth {
    tern_pool *pool;
    int threads;
    size_t working_set[BENCH_LEVELS], stride; /* bytes a thread */
    bench_region region;
    thread_time *times;

    /* The try under way. */
    const loops *loops;
    bench_traffic traffic;
    bench_level level;
    bench_meeting meeting;
};

static size_t whole_loops(size_t bytes)
{
    return bytes / (2 * LOOP_BYTES) * (2 * LOOP_BYTES);
}

static void choose_working_sets(bench_bandwidth *b, const bench_caches *caches)
{
    size_t *set = b->working_set;
    set[BENCH_L1] = whole_loops(caches->level[BENCH_L1].bytes / 2);
    set[BENCH_L2] = whole_loops(caches->level[BENCH_L2].bytes / 2);
    set[BENCH_MEMORY] = bench_can_flush() ? MEMORY_BYTES : UNFLUSHED_BYTES;

    size_t l2 = caches->level[BENCH_L2].bytes;
    size_t share = bench_cache_bytes(caches, BENCH_L3, b->threads) / (size_t)b->threads;
    set[BENCH_L3] = whole_loops(4 * l2 < share / 2 ? 4 * l2 : share / 2);
    /* Much of a smaller set would lie in L2. */
    if (set[BENCH_L3] < 2 * l2)
        set[BENCH_L3] = 0;
}

bench_bandwidth *bench_bandwidth_new(tern_pool *pool, tern_error *error)
{
    bench_caches caches = bench_caches_read();
    bench_bandwidth *b = calloc(1, sizeof *b);
    if (b) {
        b->pool = pool;
        b->threads = tern_pool_threads(pool);
        b->times = aligned_alloc(64, (size_t)b->threads * sizeof *b->times);
    }
    if (!b || !b->times) {
        bench_bandwidth_free(b);
        tern_error_set(error, TERN_ERR_MEMORY, "measuring bandwidth: out of memory");
        return NULL;
    }
    choose_working_sets(b, &caches);
    /* Threads at multiples of a power of two would meet in the same sets of a shared cache. */
    for (int level = BENCH_L1; level < BENCH_LEVELS; level++)
        if (b->stride < b->working_set[level] + PADDING_BYTES)
            b->stride = b->working_set[level] + PADDING_BYTES;
    if (!bench_region_open(&b->region, b->stride * (size_t)b->threads, error)) {
        bench_bandwidth_free(b);
        return NULL;
    }
    return b;
}

void bench_bandwidth_free(bench_bandwidth *bandwidth)
{
    if (!bandwidth)
        return;
    bench_region_close(&bandwidth->region);
    free(bandwidth->times);
    free(bandwidth);
}

size_t bench_bandwidth_bytes(const bench_bandwidth *bandwidth, bench_level level)
{
    return bandwidth->working_set[level];
}

/* Passes over its working set that each thread makes in one try. */
static int passes_of(const bench_bandwidth *b)
{
    size_t bytes = b->working_set[b->level];
    return (int)((traffic_bytes[b->level] + bytes - 1) / bytes);
}

static void run_loop(const bench_bandwidth *b, char *data, int passes)
{
    size_t bytes = b->working_set[b->level];
    float *to = (float *)(data + bytes / 2);
    if (b->traffic == BENCH_READ)
        b->loops->read((const float *)data, bytes, passes);
    else if (b->level == BENCH_MEMORY)
        b->loops->stream(to, (const float *)data, bytes / 2, passes);
    else
        b->loops->copy(to, (const float *)data, bytes / 2, passes);
}

/* All pull at the same time, each what is in its own caches. */
static void bandwidth_tile(void *argument, int64_t tile, int worker)
{
    bench_bandwidth *b = argument;
    size_t bytes = b->working_set[b->level];
    char *data = (char *)b->region.data + (size_t)worker * b->stride;
    (void)tile;

    /* Pages are made by the thread that uses them, hence near its core; one that is only read
     * would be the system's page of zeros. */
    if (data[0] == 0)
        memset(data, 1, b->stride);
    if (b->level != BENCH_MEMORY)
        run_loop(b, data, 2);
    else if (!bench_flush(data, bytes))
        run_loop(b, data, 1);
    bench_meet(&b->meeting);
    b->times[worker].start = bench_seconds();
    run_loop(b, data, passes_of(b));
    b->times[worker].end = bench_seconds();
}

double bench_bandwidth_measure(bench_bandwidth *b, bench_traffic traffic, bench_level level,
                               const char *simd)
{
    b->loops = NULL;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].simd, simd) == 0)
            b->loops = &levels[i];
    if (!b->loops || b->working_set[level] == 0)
        return 0;
    b->traffic = traffic;
    b->level = level;
    b->meeting = (bench_meeting){ .threads = b->threads };
    bench_on_every_thread(b->pool, bandwidth_tile, b);

    double start = b->times[0].start, end = b->times[0].end;
    for (int i = 1; i < b->threads; i++) {
        start = b->times[i].start < start ? b->times[i].start : start;
        end = b->times[i].end > end ? b->times[i].end : end;
    }
    return (double)passes_of(b) * (double)b->working_set[level] * b->threads / (end - start);
}
