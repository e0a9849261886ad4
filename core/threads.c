/* The pool: one atomic word says what is left to do.
 *
 *      63            32 31             0
 *     +----------------+----------------+
 *     |   loop number  | tiles unclaimed|    the ticket
 *     +----------------+----------------+
 *
 * A tile is claimed by counting the ticket's low half down with compare-and-swap.
 * Since the loop's number is in the same word, a worker that wakes up late (or was
 * put off the core in the middle of a claim) cannot take a tile of another loop
 * than the one whose function and argument it has just read.  So nobody has to
 * wait until every worker has taken notice of a loop: the caller waits for tiles
 * that were claimed, never for workers that slept through.
 *
 * Workers spin for SPIN_NANOSECONDS after a loop, because the next op's loop
 * follows within microseconds in training; then they sleep on a condition.
 */
#include "core/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 1024, SPIN_NANOSECONDS = 100000, PAUSES_PER_CLOCK_READ = 32 };

struct tern_pool {
    int threads;
    int started; /* workers running, at most threads - 1 */
    pthread_t *workers;

    /* The loop.  Written only while no tile is unclaimed; relaxed atomics, since a
     * late worker may read them then (its claim will fail). */
    _Atomic(tern_tile_fn) fn;
    _Atomic(void *) argument;
    _Atomic int64_t first; /* number of tile 0 of this ticket: see tern_parallel */
    _Atomic uint32_t tiles;

    /* Written by all threads, so each on a cache line of its own. */
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic int64_t unfinished;
    _Alignas(64) _Atomic int sleepers;
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

static uint32_t unclaimed(uint64_t ticket)
{
    return (uint32_t)ticket;
}

/* Claim and run tiles until none is left. */
static void work(tern_pool *pool, int worker)
{
    int64_t done = 0;
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);

    while (unclaimed(ticket) > 0) {
        tern_tile_fn fn = atomic_load_explicit(&pool->fn, memory_order_relaxed);
        void *argument = atomic_load_explicit(&pool->argument, memory_order_relaxed);
        int64_t first = atomic_load_explicit(&pool->first, memory_order_relaxed);
        uint32_t tiles = atomic_load_explicit(&pool->tiles, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue; /* ticket now holds the newer value */
        fn(argument, first + (tiles - unclaimed(ticket)), worker);
        done++;
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
    /* All of one loop: it cannot end, nor the next begin, before this report. */
    if (done > 0)
        atomic_fetch_sub_explicit(&pool->unfinished, done, memory_order_release);
}

/* Wait until there is something to claim or the pool stops. */
static void wait_for_work(tern_pool *pool)
{
    int64_t deadline = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) {
            if (unclaimed(atomic_load_explicit(&pool->ticket, memory_order_relaxed)) > 0 ||
                atomic_load_explicit(&pool->stop, memory_order_relaxed))
                return;
            cpu_pause();
        }
    } while (nanoseconds() < deadline);

    pthread_mutex_lock(&pool->lock);
    /* Sequentially consistent, like their counterparts in publish: either we see
     * the new ticket here or the caller sees a sleeper there. */
    atomic_fetch_add(&pool->sleepers, 1);
    while (unclaimed(atomic_load(&pool->ticket)) == 0 && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *start_pointer)
{
    worker_start start = *(worker_start *)start_pointer;
    free(start_pointer);
    while (!atomic_load_explicit(&start.pool->stop, memory_order_acquire)) {
        wait_for_work(start.pool);
        work(start.pool, start.worker);
    }
    return NULL;
}

static void wake_sleepers(tern_pool *pool)
{
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static void publish(tern_pool *pool, int64_t first, uint32_t tiles, tern_tile_fn fn, void *argument)
{
    uint64_t loop = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;

    atomic_store_explicit(&pool->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&pool->argument, argument, memory_order_relaxed);
    atomic_store_explicit(&pool->first, first, memory_order_relaxed);
    atomic_store_explicit(&pool->tiles, tiles, memory_order_relaxed);
    atomic_store_explicit(&pool->unfinished, tiles, memory_order_relaxed);
    atomic_store(&pool->ticket, loop << 32 | tiles);
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
    /* A ticket counts to 2^32 - 1, a longer loop takes several. */
    for (int64_t first = 0; first < tiles; first += UINT32_MAX) {
        int64_t left = tiles - first;
        publish(pool, first, left < UINT32_MAX ? (uint32_t)left : UINT32_MAX, fn, argument);
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
    if (!pool || !workers) {
        free(pool);
        free(workers);
        tern_error_set(error, TERN_ERR_MEMORY, "thread pool: out of memory for %d threads", threads);
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    pool->workers = workers;
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
    free(pool->workers);
    free(pool);
}
