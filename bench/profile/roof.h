/* The roofline: what the machine could do, measured after the run on as many threads.
 *
 * An op takes at least as long as its FLOPs do in registers, and as its bytes do from the
 * cache in which so many can lie (bench_roofline in bench/measure/ceilings.h, for work that
 * is hot: where the op before it left its outputs, they may still be). */
#ifndef TERN_BENCH_PROFILE_ROOF_H
#define TERN_BENCH_PROFILE_ROOF_H

#include "bench/measure/ceilings.h"
#include "bench/profile/recorder.h"

typedef struct profile_roof {
    bench_ceilings ceilings;
    int threads;
    const char *simd; /* NULL: the widest */
} profile_roof;

/* Takes about half a second.  simd must outlive the roof.  False and an error if there is
 * no memory. */
bool profile_roof_measure(profile_roof *roof, int threads, const char *simd, tern_error *error);

/* The least that one call of this cost can take. */
bench_roof profile_roof_of(const profile_roof *roof, const tern_cost *cost);

/* Seconds at the roofline, for each node of a run that has ended, summed over its ops. */
void profile_roof_apply(const profile_roof *roof, profile_recorder *recorder);

#endif
