/* Measuring the roofline, and holding a run against it; see roof.h. */
#include "bench/profile/roof.h"

#include <stdio.h>

static const double MEASURING_SECONDS = 0.5;

bool profile_roof_measure(profile_roof *roof, int threads, const char *simd, tern_error *error)
{
    *roof = (profile_roof){ .threads = threads };
    snprintf(roof->simd, sizeof roof->simd, "%s", simd);
    if (!bench_ceilings_open(&roof->ceilings, &threads, 1, error))
        return false;
    bench_ceilings_measure(&roof->ceilings, MEASURING_SECONDS);
    bench_ceilings_close(&roof->ceilings);
    roof->flops = bench_fma_ceiling(&roof->ceilings, simd, threads);
    roof->bandwidth = bench_bandwidth_ceiling(&roof->ceilings, BENCH_MEMORY, threads);
    return roof->flops > 0 ||
           tern_error_set(error, TERN_ERR_MISSING, "the peak of SIMD level %s cannot be measured",
                          simd);
}

double profile_roof_seconds(const profile_roof *roof, const tern_cost *cost)
{
    bench_work work = { .simd = roof->simd, .threads = roof->threads, .flops = cost->flops,
                        .bytes = cost->bytes, .working_set = cost->bytes };
    return bench_roofline(&roof->ceilings, &work).seconds;
}

void profile_roof_apply(const profile_roof *roof, profile_recorder *r)
{
    for (int i = 0; i < r->use_count; i++) {
        const profile_use *use = &r->uses[i];
        double seconds = profile_roof_seconds(roof, &r->problems.seen[use->problem].cost) *
                         (double)use->calls;
        for (int at = use->node; at >= 0; at = r->nodes[at].parent)
            r->nodes[at].roof_seconds += seconds;
    }
}
