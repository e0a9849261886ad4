/* A cache line goes to and fro between two threads, each on a core of its own. */
#include "bench/measure/core_to_core.h"

#include <stdio.h>

#include "bench/measure/machine.h"
#include "bench/measure/statistics.h"
#include "bench/measure/together.h"

enum { BATCHES = 41, LEAST_BATCHES = 9, TRIPS = 200 /* a batch: 10 us */ };
static const double MOST_SECONDS = 10e-3, FAR_SECONDS = 200e-9, FAR_RATIO = 3;

/* One thread writes odd numbers, the other answers each with the next even one.  Nothing else
 * lies on the line, or on the one that is fetched along with it. */
enum { PAIR_OF_LINES = 128 };
static const unsigned ENDED = ~0u;

typedef struct game {
    _Alignas(PAIR_OF_LINES) atomic_uint ball;
    _Alignas(PAIR_OF_LINES) int cpu[2];
    int batches;
    double seconds[BATCHES]; /* of a trip */
} game;

static void wait_for(atomic_uint *ball, unsigned value)
{
    while (atomic_load_explicit(ball, memory_order_acquire) != value)
        continue;
}

static void serve(game *all)
{
    double begin = bench_seconds(), start = begin;
    unsigned last = 0;
    while (all->batches < BATCHES &&
           (all->batches < LEAST_BATCHES || start - begin < MOST_SECONDS)) {
        start = bench_seconds();
        for (int trip = 0; trip < TRIPS; trip++, last += 2) {
            atomic_store_explicit(&all->ball, last + 1, memory_order_release);
            wait_for(&all->ball, last + 2);
        }
        all->seconds[all->batches++] = (bench_seconds() - start) / TRIPS;
    }
    atomic_store_explicit(&all->ball, ENDED, memory_order_release);
}

static void answer(game *all)
{
    unsigned seen, last = 0;
    while ((seen = atomic_load_explicit(&all->ball, memory_order_acquire)) != ENDED)
        if (seen != last) {
            last = seen + 1;
            atomic_store_explicit(&all->ball, last, memory_order_release);
        }
}

static void play_tile(void *argument, int64_t tile, int worker)
{
    game *all = argument;
    (void)tile;
    all->cpu[worker] = sched_getcpu();
    if (worker == 0)
        serve(all);
    else
        answer(all);
}

double bench_round_trip(tern_pool *pair)
{
    game all = { .batches = 0 };
    double scratch[BATCHES];
    cpu_set_t before = bench_bind(pair);
    bench_on_every_thread(pair, play_tile, &all);
    bench_unbind_caller(&before);
    return all.cpu[0] != all.cpu[1] ? bench_summarise(all.seconds, all.batches, scratch).median : 0;
}

void bench_core_to_core_add(bench_core_to_core *seen, double seconds)
{
    if (!(seconds > 0))
        return;
    if (seen->least == 0 || seconds < seen->least)
        seen->least = seconds;
    if (seconds > seen->most)
        seen->most = seconds;
}

bool bench_cores_are_far(const bench_core_to_core *seen)
{
    return seen->most > FAR_SECONDS || seen->most > FAR_RATIO * seen->least;
}

char *bench_core_to_core_text(const bench_core_to_core *seen, char text[BENCH_CORE_TO_CORE_BYTES])
{
    double least = seen->least * 1e9, most = seen->most * 1e9;
    if (!(most > 0))
        snprintf(text, BENCH_CORE_TO_CORE_BYTES, "not known");
    else if (most < 1.1 * least)
        snprintf(text, BENCH_CORE_TO_CORE_BYTES, "%.0f ns", least);
    else
        snprintf(text, BENCH_CORE_TO_CORE_BYTES, "%.0f ns (up to %.0f)", least, most);
    return text;
}
