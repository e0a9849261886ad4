/* The roofline: what the machine could do, measured after the run on as many threads.
 *
 * An op takes at least what bench/measure/ceilings.h says of its FLOPs and bytes, as if its
 * tensors lay in the innermost caches that hold them: in a run they often do not. */
#ifndef TERN_BENCH_PROFILE_ROOF_H
#define TERN_BENCH_PROFILE_ROOF_H

#include "bench/measure/ceilings.h"
#include "bench/profile/recorder.h"

typedef struct profile_roof {
    bench_ceilings ceilings;
    double flops;     /* a second: multiply-adds in registers, at the run's SIMD level */
    double bandwidth; /* bytes a second to and from memory                             */
    int threads;
    char simd[16];
} profile_roof;

/* Takes about half a second.  False and an error if there is no memory or no such level. */
bool profile_roof_measure(profile_roof *roof, int threads, const char *simd, tern_error *error);

/* The least seconds that one call of this cost can take. */
double profile_roof_seconds(const profile_roof *roof, const tern_cost *cost);

/* Seconds at the roofline, for each node of a run that has ended, summed over its ops. */
void profile_roof_apply(const profile_roof *roof, profile_recorder *recorder);

#endif
