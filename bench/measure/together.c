#include "bench/measure/together.h"

void bench_meet(bench_meeting *meeting)
{
    atomic_fetch_add(&meeting->arrived, 1);
    while (atomic_load_explicit(&meeting->arrived, memory_order_acquire) < meeting->threads)
        continue;
}

typedef struct gathering {
    bench_meeting meeting;
    tern_tile_fn tile;
    void *argument;
} gathering;

/* Nobody leaves before all have come, so nobody can take a second tile. */
static void gather_tile(void *argument, int64_t tile, int worker)
{
    gathering *all = argument;
    (void)tile;
    bench_meet(&all->meeting);
    all->tile(all->argument, worker, worker);
}

void bench_on_every_thread(tern_pool *pool, tern_tile_fn tile, void *argument)
{
    gathering all = { .meeting = { .threads = tern_pool_threads(pool) },
                      .tile = tile,
                      .argument = argument };
    tern_parallel(pool, all.meeting.threads, gather_tile, &all);
}

/* The worker-th core of the set. */
static void bind_tile(void *argument, int64_t tile, int worker)
{
    const cpu_set_t *allowed = argument;
    cpu_set_t one;
    int left = worker;
    (void)tile;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && left-- == 0)
            CPU_SET(cpu, &one);
    /* Refused, the thread stays where it is, which is no worse than before. */
    sched_setaffinity(0, sizeof one, &one);
}

cpu_set_t bench_bind(tern_pool *pool)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && tern_pool_threads(pool) > 1 &&
        CPU_COUNT(&allowed) >= tern_pool_threads(pool))
        bench_on_every_thread(pool, bind_tile, &allowed);
    return allowed;
}

void bench_unbind_caller(const cpu_set_t *before)
{
    if (CPU_COUNT(before) > 0)
        sched_setaffinity(0, sizeof *before, before);
}
