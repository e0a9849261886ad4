/* Order statistics of timings, and how far the median can be trusted.
 *
 * Timings are skewed, have outliers, and each is like the one before (a clock that drifts, a
 * neighbour that stays for a while).  So nothing here assumes a shape of the distribution,
 * and nothing takes the samples for independent of each other.
 *
 * Quantiles are linear between neighbours: quantile q of n sorted samples lies at place
 * q (n - 1), counted from 0.  This is NumPy's default, and type 7 of Hyndman and Fan (1996),
 * "Sample quantiles in statistical packages".  Of fewer than 101 samples, p99 lies between
 * the two slowest.
 */
#ifndef TERN_BENCH_MEASURE_STATISTICS_H
#define TERN_BENCH_MEASURE_STATISTICS_H

typedef struct bench_summary {
    int count;
    double least, lower_quartile, median, upper_quartile, p99, most;
    double correlation_time; /* samples that tell as much as one independent one, from 1 on */
    double relative_error;   /* of the median; HUGE_VAL if there are too few samples to say */
} bench_summary;

/* Of samples in the order measured.  scratch has room for as many; it is left with the
 * samples sorted.
 *
 * relative_error: the true median is within median (1 +- relative_error), with a confidence
 * of 95 %.  The interval is between two order statistics (of n independent samples, the k-th
 * from either end, where k is the largest with P(Binomial(n, 1/2) < k) <= 2.5 %), which is
 * right for every distribution; of samples that depend on each other, it is that of
 * n / correlation_time independent ones. */
bench_summary bench_summarise(const double *samples, int count, double *scratch);

/* As above, of sorted samples. */
double bench_quantile(const double *sorted, int count, double q);

/* The integrated autocorrelation time 1 + 2 (rho(1) + rho(2) + ...) of whether a sample is
 * above the median or below it, which is what the median's error depends on.  Cut where sums
 * of two neighbouring terms cease to be positive, as Geyer (1992, "Practical Markov chain
 * Monte Carlo") does; with the first-order correction of what the estimated mean takes from
 * every term, without which intervals from 15 to 40 correlated samples are too narrow. */
double bench_correlation_time(const double *samples, int count, double median);

#endif
