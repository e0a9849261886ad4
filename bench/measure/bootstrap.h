/* How far a ratio of two medians can be trusted: a percentile bootstrap.
 *
 * Medians of samples drawn again, with replacement, from those measured scatter around the
 * measured median as that scatters around the true one; the interval is between percentiles
 * of their ratio.
 *
 * Percentiles and not BCa: BCa's acceleration is estimated by leaving one sample out at a
 * time, which for a median gives two or three different values and converges to nothing
 * (Efron 1979).  Percentiles are what the ratio needs besides: that of a/b is the inverse of
 * that of b/a.
 *
 * Samples of one run depend on each other, and to draw n of n as if they did not gives
 * intervals too narrow: with an autocorrelation of 0.6, three of four "95 %" intervals hold
 * the true ratio.  Here as many are drawn as there are independent ones, n divided by the
 * correlation time (statistics.h).  Blocks of neighbours, the textbook's remedy, were tried on
 * simulated timings too: of 15 to 150 samples there are too few blocks, and intervals stayed
 * narrower (of 40 samples at 0.6: 87 to 89 % held the ratio, 95 % of these).  tests/
 * test_statistics.c counts on five kinds of noise: 94 to 98 % of 60 samples and more; of 20,
 * the same but where the machine is slow for 8 samples at a time (89 %).
 */
#ifndef TERN_BENCH_MEASURE_BOOTSTRAP_H
#define TERN_BENCH_MEASURE_BOOTSTRAP_H

#include "core/error.h"

#include <stdint.h>

typedef struct bench_ratio_opts {
    double confidence; /* that the interval holds the true ratio; 0: 0.95                  */
    int resamples;     /* 0: 2000                                                          */
    bool paired;       /* a[i] and b[i] were measured in the same round: what slowed both
                        * down then does not count.  As many samples of both.              */
    uint64_t seed;     /* of the drawing (core/rng.h)                                      */
    uint32_t stream;   /* rows that are drawn with one seed have one each                  */
} bench_ratio_opts;

/* Fewer independent samples than these say nothing about where a median is. */
enum { BENCH_LEAST_INDEPENDENT = 6 };

typedef struct bench_ratio {
    double value, low, high; /* low 0 and high HUGE_VAL: too few independent samples */
} bench_ratio;

/* median(a) / median(b), samples in the order measured, all above 0.  Errors:
 * TERN_ERR_ARGUMENT without samples or if what is paired differs in number, TERN_ERR_MEMORY. */
bool bench_ratio_of_medians(const double *a, int a_count, const double *b, int b_count,
                            bench_ratio_opts opts, bench_ratio *ratio, tern_error *error);

#endif
