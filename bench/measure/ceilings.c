/* All ceilings of some thread counts, tried in turn. */
#include "bench/measure/ceilings.h"

#include <stdlib.h>
#include <string.h>

#include "bench/measure/bandwidth.h"
#include "bench/measure/machine.h"
#include "bench/measure/peak.h"
#include "bench/measure/together.h"
#include "kernels/table.h"

enum { LEAST_ROUNDS = 3 };
static const double ROUND_SECONDS = 20e-3; /* of a thread count */

/* What is measured with, for one thread count each. */
typedef struct thread_count {
    tern_pool *pool;
    bench_bandwidth *bandwidth;
} thread_count;

struct bench_ceilings_threads {
    int count;
    const char *widest; /* SIMD level */
    tern_pool *pair;    /* of two threads; NULL on one core */
    thread_count of[BENCH_MOST_THREAD_COUNTS];
};

static void add_ceilings(bench_ceilings *c, const thread_count *of, const char *const *simd,
                         int simd_count)
{
    int threads = tern_pool_threads(of->pool);
    for (int i = 0; i < simd_count; i++)
        c->ceiling[c->count++] =
            (bench_ceiling){ .kind = BENCH_CEILING_FMA, .threads = threads, .simd = simd[i] };
    for (int kind = BENCH_CEILING_READ; kind <= BENCH_CEILING_COPY; kind++)
        for (int level = BENCH_L1; level < BENCH_LEVELS; level++) {
            size_t bytes = bench_bandwidth_bytes(of->bandwidth, (bench_level)level);
            if (bytes > 0)
                c->ceiling[c->count++] = (bench_ceiling){ .kind = (bench_ceiling_kind)kind,
                                                          .threads = threads,
                                                          .level = (bench_level)level,
                                                          .bytes = bytes };
        }
}

bool bench_ceilings_open(bench_ceilings *c, const int *threads, int count, tern_error *error)
{
    const char *simd[4]; /* as many as tern_simd_levels wants */
    int simd_count = tern_simd_levels(simd);

    *c = (bench_ceilings){ .caches = bench_caches_read() };
    if (count < 1 || count > BENCH_MOST_THREAD_COUNTS)
        return tern_error_set(error, TERN_ERR_ARGUMENT, "ceilings of 1 to %d thread counts, not %d",
                              (int)BENCH_MOST_THREAD_COUNTS, count);
    c->measuring = calloc(1, sizeof *c->measuring);
    if (!c->measuring)
        return tern_error_set(error, TERN_ERR_MEMORY, "ceilings: out of memory");
    c->measuring->widest = simd[0];
    if (bench_cores() > 1 && !(c->measuring->pair = tern_pool_new(2, error))) {
        bench_ceilings_close(c);
        return false;
    }
    for (int i = 0; i < count; i++) {
        thread_count *of = &c->measuring->of[c->measuring->count++];
        of->pool = tern_pool_new(threads[i], error);
        of->bandwidth = of->pool ? bench_bandwidth_new(of->pool, error) : NULL;
        if (!of->bandwidth) {
            bench_ceilings_close(c);
            return false;
        }
        add_ceilings(c, of, simd, simd_count);
    }
    return true;
}

void bench_ceilings_close(bench_ceilings *c)
{
    for (int i = 0; c->measuring && i < c->measuring->count; i++) {
        bench_bandwidth_free(c->measuring->of[i].bandwidth);
        tern_pool_free(c->measuring->of[i].pool);
    }
    if (c->measuring)
        tern_pool_free(c->measuring->pair);
    free(c->measuring);
    c->measuring = NULL;
}

static double try_once(const struct bench_ceilings_threads *m, const thread_count *of,
                       const bench_ceiling *ceiling)
{
    if (ceiling->kind == BENCH_CEILING_FMA)
        return bench_fma_peak(of->pool, ceiling->simd);
    bench_traffic traffic = ceiling->kind == BENCH_CEILING_READ ? BENCH_READ : BENCH_COPY;
    return bench_bandwidth_measure(of->bandwidth, traffic, ceiling->level, m->widest);
}

/* Every ceiling of one thread count, once; best: of this measurement. */
static void try_all(bench_ceilings *c, const thread_count *of, double *best)
{
    cpu_set_t before = bench_bind(of->pool);
    for (int i = 0; i < c->count; i++) {
        bench_ceiling *ceiling = &c->ceiling[i];
        if (ceiling->threads != tern_pool_threads(of->pool))
            continue;
        double rate = try_once(c->measuring, of, ceiling);
        if (rate > best[i])
            best[i] = rate;
    }
    bench_unbind_caller(&before);
}

void bench_ceilings_measure(bench_ceilings *c, double seconds)
{
    double end = bench_seconds() + seconds, best[BENCH_MOST_CEILINGS] = { 0 };
    /* Before the rounds, whose threads go on spinning for a while. */
    if (c->measuring && c->measuring->pair)
        bench_core_to_core_add(&c->core_to_core, bench_round_trip(c->measuring->pair));
    for (int round = 0; c->measuring && (round < LEAST_ROUNDS || bench_seconds() < end); round++)
        for (int i = 0; i < c->measuring->count; i++)
            try_all(c, &c->measuring->of[i], best);
    for (int i = 0; i < c->count; i++) {
        bench_ceiling *ceiling = &c->ceiling[i];
        if (best[i] > ceiling->per_second)
            ceiling->per_second = best[i];
        if (ceiling->kind == BENCH_CEILING_FMA && best[i] > 0 &&
            (ceiling->worst == 0 || best[i] < ceiling->worst))
            ceiling->worst = best[i];
    }
}

bool bench_peak_fell(int threads, double fma_best, double fma_worst)
{
    return fma_worst > 0 && fma_worst < (threads > 1 ? 0.75 : 0.9) * fma_best;
}

double bench_ceilings_least_seconds(int thread_counts)
{
    return LEAST_ROUNDS * ROUND_SECONDS * thread_counts;
}

const char *bench_ceiling_kind_name(bench_ceiling_kind kind)
{
    static const char *const names[] = { "fma", "read", "copy" };
    return names[kind];
}
