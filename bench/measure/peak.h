/* The multiply-adds a second that the machine can do: the roof over every timing. */
#ifndef TERN_BENCH_MEASURE_PEAK_H
#define TERN_BENCH_MEASURE_PEAK_H

#include "core/simd.h"
#include "core/threads.h"

/* All threads of the pool multiply and add in registers for about two milliseconds.
 * FLOPs a second at the named SIMD level, a multiply-add counted as two; take the best
 * of many calls.  0 if there is no such level.  The base level has no fused multiply-add: one
 * multiplication and one addition each.
 *
 * What could fool it: a busy neighbour (too low), a clock that is higher in two milliseconds
 * than in long work (too high for that), threads on one core (see together.h). */
double bench_fma_peak(tern_pool *pool, const char *level);

/* For peak.c: one thread's loop, and the FLOPs of one pass of it. */
float TERN_LEVEL(bench_fma_loop)(int passes);
double TERN_LEVEL(bench_fma_flops)(void);

#endif
