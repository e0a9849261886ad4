/* The roofline: what the machine could do, measured after the run on as many threads.
 *
 * An op of F FLOPs on B bytes takes at least max(F / peak, B / bandwidth). */
#ifndef TERN_BENCH_PROFILE_CEILINGS_H
#define TERN_BENCH_PROFILE_CEILINGS_H

#include "bench/profile/recorder.h"

typedef struct bench_ceilings {
    double flops;     /* a second: multiply-adds in registers, at the run's SIMD level */
    double bandwidth; /* bytes a second read from memory                               */
    int threads;
    char simd[16];
} bench_ceilings;

/* Takes about half a second.  False and an error if there is no memory or no such level. */
bool bench_ceilings_measure(bench_ceilings *ceilings, int threads, const char *simd,
                            tern_error *error);

/* Bytes a second with which so many bytes can be read by an op that works on no others. */
double bench_ceilings_bandwidth(const bench_ceilings *ceilings, double bytes);

/* The least seconds that one call of this cost can take. */
double bench_ceilings_seconds(const bench_ceilings *ceilings, const tern_cost *cost);

/* Seconds at the roofline, for each node of a run that has ended, summed over its ops. */
void bench_ceilings_apply(const bench_ceilings *ceilings, bench_recorder *recorder);

#endif
