/* Made-up timings; see timing_noise.h. */
#include "tests/timing_noise.h"

#include "bench/measure/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

const timing_noise timing_noises[] = {
    { "independent", 0.01, 0.8, 0, 0, 0 },
    { "correlated", 0.01, 0.8, 0.3, 0, 0 },
    { "interrupted", 0.01, 0.8, 0.3, 0.03, 0 },
    { "strongly correlated", 0.01, 0.8, 0.6, 0.02, 0 },
    { "slow at times", 0.01, 0.8, 0.3, 0.03, 0.01 },
};

enum {
    SETTLING = 50,  /* steps after which the walk has forgotten where it began */
    SLOW_LASTS = 8, /* samples, on average; fast whiles three times as long    */
};

void timing_noise_draw(const timing_noise *noise, tern_rng *rng, double base, double *samples,
                       int count)
{
    double z = 0, step = sqrt(1 - noise->correlation * noise->correlation);
    bool slow = false;
    for (int i = -SETTLING; i < count; i++) {
        z = noise->correlation * z + step * tern_rng_normal(rng);
        if (tern_rng_uniform(rng) < (slow ? 1.0 : 1.0 / 3) / SLOW_LASTS)
            slow = !slow;
        double time = base * (1 + noise->spread * exp(noise->skew * z));
        time *= slow ? 1 + noise->slow : 1;
        if (tern_rng_uniform(rng) < noise->outliers)
            time *= 1.1 + tern_rng_uniform(rng);
        if (i >= 0)
            samples[i] = time;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double timing_noise_median(const timing_noise *noise)
{
    static double samples[200001];
    const int count = sizeof samples / sizeof *samples;
    tern_rng rng = tern_rng_make(99, TERN_STREAM_TEST, 99);
    timing_noise_draw(noise, &rng, 1, samples, count);
    qsort(samples, (size_t)count, sizeof *samples, compare);
    return bench_quantile(samples, count, 0.5);
}
