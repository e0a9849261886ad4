/* The roofline: what the machine could do, measured after the run on as many threads.
 *
 * An op of F FLOPs on B bytes takes at least max(F / peak, B / bandwidth). */
#ifndef TERN_BENCH_PROFILE_ROOF_H
#define TERN_BENCH_PROFILE_ROOF_H

#include "bench/profile/recorder.h"

typedef struct profile_roof {
    double flops;     /* a second: multiply-adds in registers, at the run's SIMD level */
    double bandwidth; /* bytes a second read from memory                               */
    int threads;
    char simd[16];
} profile_roof;

/* Takes about half a second.  False and an error if there is no memory or no such level. */
bool profile_roof_measure(profile_roof *roof, int threads, const char *simd,
                            tern_error *error);

/* Bytes a second with which so many bytes can be read by an op that works on no others. */
double profile_roof_bandwidth(const profile_roof *roof, double bytes);

/* The least seconds that one call of this cost can take. */
double profile_roof_seconds(const profile_roof *roof, const tern_cost *cost);

/* Seconds at the roofline, for each node of a run that has ended, summed over its ops. */
void profile_roof_apply(const profile_roof *roof, profile_recorder *recorder);

#endif
