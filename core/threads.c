/* The pool: every thread has a share of a loop's tiles, and takes from others' when it is done.
 *
 *      63            32 31      16 15       0
 *     +----------------+----------+----------+
 *     |   loop number  |   next   |   end    |    what is unclaimed of one thread's share
 *     +----------------+----------+----------+
 *
 * The shares are runs of neighbouring tiles, thread 0's the first: the next op's tiles mostly
 * read what the same thread has written, which is still in its own cache.  Fetching it from
 * another core's costs 50 to 500 ns a cache line, so much depends on who computes what (and
 * the bits do not).  The owner claims from the front of its share, others from the back, both
 * by compare-and-swap.
 *
 * Since the loop's number is in the same word, a worker that wakes up late (or was put off the
 * core in the middle of a claim) cannot take a tile of another loop than the one whose function
 * and argument it has just read.  So nobody has to wait until every worker has taken notice of a
 * loop: the caller waits for tiles that were claimed, never for workers that slept through.
 *
 * All that a worker needs to begin lies on its own cache line, where it waits for a new number:
 * spinning for SPIN_NANOSECONDS after a loop, because the next op's loop follows within
 * microseconds in training; then it sleeps on a condition.
 */
#include "core/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 1024, SPIN_NANOSECONDS = 100000, PAUSES_PER_CLOCK_READ = 32,
       MOST_TILES = 0xffff /* that a share's word can count; a longer loop takes several turns */ };

/* What one thread has of the current loop.  All but `word` is written only while no tile is
 * unclaimed; relaxed atomics, since a late worker may read it then (its claim will fail).  Two
 * cache lines, as the CPU fetches them in pairs. */
typedef struct share {
    _Alignas(128) _Atomic uint64_t word;
    _Atomic(tern_tile_fn) fn;
    _Atomic(void *) argument;
    _Atomic int64_t first; /* number of the loop's tile 0: see tern_parallel */
} share;

struct tern_pool {
    int threads;
    int started; /* workers running, at most threads - 1 */
    pthread_t *workers;
    share *shares; /* one for each thread, the caller's is number 0 */
    uint32_t loop; /* number of the last one; the caller's alone */

    /* Written by all threads, so each on a cache line of its own. */
    _Alignas(128) _Atomic int64_t unfinished;
    _Alignas(128) _Atomic int sleepers;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

typedef struct worker_start {
    tern_pool *pool;
    int worker;
} worker_start;

static void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t share_word(uint32_t loop, int64_t next, int64_t end)
{
    return (uint64_t)loop << 32 | (uint64_t)next << 16 | (uint64_t)end;
}

static uint32_t loop_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* A tile of that loop out of a share, its first or its last; -1 if none is left. */
static int64_t claim(share *from, uint32_t loop, bool in_front)
{
    uint64_t word = atomic_load_explicit(&from->word, memory_order_acquire);
    for (;;) {
        int64_t next = word >> 16 & MOST_TILES, end = word & MOST_TILES;
        if (loop_of(word) != loop || next >= end)
            return -1;
        uint64_t left = in_front ? share_word(loop, next + 1, end) : share_word(loop, next, end - 1);
        if (atomic_compare_exchange_weak_explicit(&from->word, &word, left, memory_order_acq_rel,
                                                  memory_order_acquire))
            return in_front ? next : end - 1;
    }
}

/* Claim and run tiles until none is left, the own share's first.  Returns the loop's number. */
static uint32_t work(tern_pool *pool, int worker)
{
    share *own = &pool->shares[worker];
    uint32_t loop = loop_of(atomic_load_explicit(&own->word, memory_order_acquire));
    tern_tile_fn fn = atomic_load_explicit(&own->fn, memory_order_relaxed);
    void *argument = atomic_load_explicit(&own->argument, memory_order_relaxed);
    int64_t first = atomic_load_explicit(&own->first, memory_order_relaxed), done = 0, tile;

    for (int i = 0; i < pool->threads; i++) {
        share *from = &pool->shares[(worker + i) % pool->threads];
        while ((tile = claim(from, loop, i == 0)) >= 0) {
            fn(argument, first + tile, worker);
            done++;
        }
    }
    /* All at once: the loop cannot end, nor the next begin, before this report. */
    if (done > 0)
        atomic_fetch_sub_explicit(&pool->unfinished, done, memory_order_release);
    return loop;
}

/* Wait until there is another loop than the one that was served, or the pool stops. */
static void wait_for_work(tern_pool *pool, int worker, uint32_t served)
{
    const share *own = &pool->shares[worker];
    int64_t deadline = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) {
            if (loop_of(atomic_load_explicit(&own->word, memory_order_relaxed)) != served ||
                atomic_load_explicit(&pool->stop, memory_order_relaxed))
                return;
            cpu_pause();
        }
    } while (nanoseconds() < deadline);

    pthread_mutex_lock(&pool->lock);
    /* Its counterpart is in wake_sleepers: of the two changes of `sleepers` one comes first.
     * If that is this one, the caller sees a sleeper there; if not, we see the new loop here. */
    atomic_fetch_add(&pool->sleepers, 1);
    while (loop_of(atomic_load(&own->word)) == served && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *start_pointer)
{
    worker_start start = *(worker_start *)start_pointer;
    free(start_pointer);
    for (uint32_t served = 0; !atomic_load_explicit(&start.pool->stop, memory_order_acquire);) {
        wait_for_work(start.pool, start.worker, served);
        served = work(start.pool, start.worker);
    }
    return NULL;
}

static void wake_sleepers(tern_pool *pool)
{
    /* A change of nothing: it orders the shares' numbers before the look at the count. */
    if (atomic_fetch_add(&pool->sleepers, 0) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static void publish(tern_pool *pool, int64_t first, int64_t tiles, tern_tile_fn fn, void *argument)
{
    pool->loop++;
    atomic_store_explicit(&pool->unfinished, tiles, memory_order_relaxed);
    for (int i = pool->threads - 1; i >= 0; i--) {
        share *to = &pool->shares[i];
        atomic_store_explicit(&to->fn, fn, memory_order_relaxed);
        atomic_store_explicit(&to->argument, argument, memory_order_relaxed);
        atomic_store_explicit(&to->first, first, memory_order_relaxed);
        atomic_store_explicit(&to->word, share_word(pool->loop, tiles * i / pool->threads,
                                                    tiles * (i + 1) / pool->threads),
                              memory_order_release);
    }
    wake_sleepers(pool);
}

/* Spin, since the tiles of a loop end about together; but give the core away when
 * it takes long, because the worker that is waited for may want this very core. */
static void wait_for_the_others(tern_pool *pool)
{
    for (int spins = 0; atomic_load_explicit(&pool->unfinished, memory_order_acquire) > 0; spins++)
        if (spins < 4096)
            cpu_pause();
        else
            sched_yield();
}

void tern_parallel(tern_pool *pool, int64_t tiles, tern_tile_fn fn, void *argument)
{
    if (tiles <= 1 || !pool || pool->threads == 1) {
        for (int64_t tile = 0; tile < tiles; tile++)
            fn(argument, tile, 0);
        return;
    }
    for (int64_t first = 0; first < tiles; first += MOST_TILES) {
        int64_t left = tiles - first;
        publish(pool, first, left < MOST_TILES ? left : MOST_TILES, fn, argument);
        work(pool, 0);
        wait_for_the_others(pool);
    }
}

int tern_pool_threads(const tern_pool *pool)
{
    return pool ? pool->threads : 1;
}

/* The cores this process may use, which a container or taskset may have cut. */
static int usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
        return 1;
    return CPU_COUNT(&set) < MAX_THREADS ? CPU_COUNT(&set) : MAX_THREADS;
}

static bool start_worker(tern_pool *pool, tern_error *error)
{
    worker_start *start = malloc(sizeof *start);
    if (!start)
        return tern_error_set(error, TERN_ERR_MEMORY, "thread pool: out of memory");
    *start = (worker_start){ pool, pool->started + 1 };
    int code = pthread_create(&pool->workers[pool->started], NULL, worker_main, start);
    if (code != 0) {
        free(start);
        return tern_error_set(error, TERN_ERR_MEMORY, "thread pool: cannot start thread %d of %d: %s",
                              pool->started + 2, pool->threads, strerror(code));
    }
    pool->started++;
    return true;
}

tern_pool *tern_pool_new(int threads, tern_error *error)
{
    if (threads < 0 || threads > MAX_THREADS) {
        tern_error_set(error, TERN_ERR_OPTION, "threads must be 0 (one per core) to %d, not %d",
                       (int)MAX_THREADS, threads);
        return NULL;
    }
    if (threads == 0)
        threads = usable_cores();

    tern_pool *pool = aligned_alloc(_Alignof(tern_pool), sizeof *pool);
    pthread_t *workers = calloc((size_t)threads, sizeof *workers);
    share *shares = aligned_alloc(_Alignof(share), (size_t)threads * sizeof *shares);
    if (!pool || !workers || !shares) {
        free(pool);
        free(workers);
        free(shares);
        tern_error_set(error, TERN_ERR_MEMORY, "thread pool: out of memory for %d threads", threads);
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    memset(shares, 0, (size_t)threads * sizeof *shares);
    pool->threads = threads;
    pool->workers = workers;
    pool->shares = shares;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    while (pool->started < threads - 1)
        if (!start_worker(pool, error)) {
            tern_pool_free(pool);
            return NULL;
        }
    return pool;
}

void tern_pool_free(tern_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->shares);
    free(pool->workers);
    free(pool);
}
