/* Made-up timings whose noise is like that of real ones. */
#ifndef TERN_TESTS_TIMING_NOISE_H
#define TERN_TESTS_TIMING_NOISE_H

#include "core/rng.h"

/* Times are base (1 + spread exp(skew z)), where z is a normal random walk that is pulled back
 * to 0: nothing is much faster than usual, much is slower, and each is like the one before.
 * Some are interrupted and take up to twice as long; now and then there is a slow while. */
typedef struct timing_noise {
    const char *name;
    double spread, skew;
    double correlation; /* of z and the z before                       */
    double outliers;    /* the part that is interrupted                */
    double slow;        /* of a slow while: how much slower; 0.1: 10 % */
} timing_noise;

/* From none to as bad as a shared machine. */
extern const timing_noise timing_noises[];
enum { TIMING_NOISES = 5 };

void timing_noise_draw(const timing_noise *noise, tern_rng *rng, double base, double *samples,
                       int count);

/* The true median for base 1, of many samples. */
double timing_noise_median(const timing_noise *noise);

#endif
