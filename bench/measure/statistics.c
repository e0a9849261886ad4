#include "bench/measure/statistics.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between neighbours, as NumPy's default. */
static double quantile(const double *sorted, int count, double q)
{
    double at = q * (count - 1);
    int below = (int)at, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

bench_summary bench_summarise(double *samples, int count)
{
    if (count < 1)
        return (bench_summary){ 0 };
    qsort(samples, (size_t)count, sizeof *samples, compare);
    return (bench_summary){ .count = count,
                            .least = samples[0],
                            .lower_quartile = quantile(samples, count, 0.25),
                            .median = quantile(samples, count, 0.5),
                            .upper_quartile = quantile(samples, count, 0.75),
                            .most = samples[count - 1] };
}
