/* Measuring the roofline, and holding a run against it; see roof.h. */
#include "bench/profile/roof.h"

#include "bench/measure/machine.h"
#include "bench/measure/peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEAK_TRIES = 60, READ_TRIES = 12 };

/* More than the caches that a core can count on; what it takes is given back. */
static const size_t READ_BYTES = (size_t)192 << 20;

typedef struct read_job {
    const char *memory;
    size_t bytes; /* of each thread */
} read_job;

/* A search that finds nothing reads everything, with the widest loads there are. */
static void read_tile(void *argument, int64_t tile, int worker)
{
    const read_job *job = argument;
    const void *volatile found = memchr(job->memory + (size_t)tile * job->bytes, 1, job->bytes);
    (void)worker, (void)found;
}

static bool measure_bandwidth(profile_roof *c, tern_pool *pool, tern_error *error)
{
    char *memory = malloc(READ_BYTES);
    if (!memory)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory to measure the bandwidth with");
    memset(memory, 2, READ_BYTES);
    read_job job = { memory, READ_BYTES / (size_t)c->threads };
    for (int i = 0; i < READ_TRIES; i++) {
        double start = bench_seconds();
        tern_parallel(pool, c->threads, read_tile, &job);
        double rate = (double)job.bytes * c->threads / (bench_seconds() - start);
        c->bandwidth = rate > c->bandwidth ? rate : c->bandwidth;
    }
    free(memory);
    return true;
}

bool profile_roof_measure(profile_roof *c, int threads, const char *simd, tern_error *error)
{
    *c = (profile_roof){ .threads = threads };
    snprintf(c->simd, sizeof c->simd, "%s", simd);
    tern_pool *pool = tern_pool_new(threads, error);
    if (!pool)
        return false;
    for (int i = 0; i < PEAK_TRIES; i++) {
        double rate = bench_fma_peak(pool, simd);
        c->flops = rate > c->flops ? rate : c->flops;
    }
    bool ok = c->flops > 0 || tern_error_set(error, TERN_ERR_MISSING,
                                             "the peak of SIMD level %s cannot be measured", simd);
    ok = ok && measure_bandwidth(c, pool, error);
    tern_pool_free(pool);
    return ok;
}

double profile_roof_bandwidth(const profile_roof *c, double bytes)
{
    (void)bytes;
    return c->bandwidth;
}

double profile_roof_seconds(const profile_roof *c, const tern_cost *cost)
{
    double compute = cost->flops / c->flops;
    double traffic = cost->bytes / profile_roof_bandwidth(c, cost->bytes);
    return compute > traffic ? compute : traffic;
}

void profile_roof_apply(const profile_roof *c, profile_recorder *r)
{
    for (int i = 0; i < r->use_count; i++) {
        const profile_use *use = &r->uses[i];
        double seconds = profile_roof_seconds(c, &r->problems.seen[use->problem].cost) *
                         (double)use->calls;
        for (int at = use->node; at >= 0; at = r->nodes[at].parent)
            r->nodes[at].roof_seconds += seconds;
    }
}
