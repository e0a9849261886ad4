/* Order statistics; see statistics.h. */
#include "bench/measure/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More terms than these are not looked at: what is correlated for so long is a drift, of which
 * no number of samples gives a median. */
enum { MOST_LAGS = 1000 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(const double *sorted, int count, double q)
{
    double at = q * (count - 1);
    int below = (int)at, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/* ----------------------------------------------------------- correlation -- */

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

/* Autocovariance, at a lag, of which side of the median the samples are on. */
static double covariance(const double *samples, int count, double median, double mean, int lag)
{
    double sum = 0;
    for (int i = 0; i + lag < count; i++)
        sum += (sign(samples[i] - median) - mean) * (sign(samples[i + lag] - median) - mean);
    return sum / (count - lag);
}

double bench_correlation_time(const double *samples, int count, double median)
{
    double mean = 0, time = 1, missing = 0;
    for (int i = 0; i < count; i++)
        mean += sign(samples[i] - median) / count;
    double variance = covariance(samples, count, median, mean, 0);
    if (variance == 0)
        return 1;
    /* That the samples' own mean was subtracted lowers every term by about time / count: a
     * first pass tells the time, a second one puts that back. */
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0, pair = 0;
        for (int lag = 0; lag + 1 <= count / 2 && lag < MOST_LAGS && pair >= 0; lag += 2) {
            pair = covariance(samples, count, median, mean, lag + 1) / variance + missing;
            pair += lag ? covariance(samples, count, median, mean, lag) / variance + missing : 1;
            sum += fmax(pair, 0);
        }
        time = fmax(2 * sum - 1, 1);
        missing = time / count;
    }
    return time;
}

/* ---------------------------------------------------------------- median -- */

/* Largest k with P(Binomial(count, 1/2) < k) <= 2.5 %; 0 if there is none. */
static int interval_rank(int count)
{
    double log_term = -count * log(2), below = 0;
    for (int k = 0; k < count; k++) {
        below += exp(log_term);
        if (below > 0.025)
            return k;
        log_term += log((double)(count - k) / (k + 1));
    }
    return 0;
}

static double relative_error(const double *sorted, const bench_summary *of)
{
    int independent = (int)(of->count / of->correlation_time), rank = interval_rank(independent);
    if (rank < 1 || !(of->median > 0))
        return HUGE_VAL;
    double q = (double)(rank - 1) / (independent - 1);
    double low = bench_quantile(sorted, of->count, q);
    double high = bench_quantile(sorted, of->count, 1 - q);
    return fmax(of->median - low, high - of->median) / of->median;
}

bench_summary bench_summarise(const double *samples, int count, double *scratch)
{
    if (count < 1)
        return (bench_summary){ .correlation_time = 1, .relative_error = HUGE_VAL };
    memcpy(scratch, samples, (size_t)count * sizeof *samples);
    qsort(scratch, (size_t)count, sizeof *scratch, compare);
    bench_summary summary = { .count = count,
                              .least = scratch[0],
                              .lower_quartile = bench_quantile(scratch, count, 0.25),
                              .median = bench_quantile(scratch, count, 0.5),
                              .upper_quartile = bench_quantile(scratch, count, 0.75),
                              .p99 = bench_quantile(scratch, count, 0.99),
                              .most = scratch[count - 1] };
    summary.correlation_time = bench_correlation_time(samples, count, summary.median);
    summary.relative_error = relative_error(scratch, &summary);
    return summary;
}
