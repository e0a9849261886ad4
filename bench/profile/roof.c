/* Measuring the roofline, and holding a run against it; see roof.h. */
#include "bench/profile/roof.h"

static const double MEASURING_SECONDS = 0.5;

bool profile_roof_measure(profile_roof *roof, int threads, const char *simd, tern_error *error)
{
    *roof = (profile_roof){ .threads = threads, .simd = simd };
    if (!bench_ceilings_open(&roof->ceilings, &threads, 1, error))
        return false;
    bench_ceilings_measure(&roof->ceilings, MEASURING_SECONDS);
    bench_ceilings_close(&roof->ceilings);
    return true;
}

bench_roof profile_roof_of(const profile_roof *roof, const tern_cost *cost)
{
    const bench_work work = { .simd = roof->simd, .threads = roof->threads,
                              .flops = cost->executed, .bytes = cost->bytes,
                              .working_set = cost->bytes };
    return bench_roofline(&roof->ceilings, &work);
}

void profile_roof_apply(const profile_roof *roof, profile_recorder *r)
{
    for (int i = 0; i < r->use_count; i++) {
        const profile_use *use = &r->uses[i];
        bench_roof least = profile_roof_of(roof, &r->problems.seen[use->problem].cost);
        for (int at = use->node; at >= 0; at = r->nodes[at].parent)
            r->nodes[at].roof_seconds += least.seconds * (double)use->calls;
    }
}
