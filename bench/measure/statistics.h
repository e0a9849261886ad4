/* Order statistics of timings. */
#ifndef TERN_BENCH_MEASURE_STATISTICS_H
#define TERN_BENCH_MEASURE_STATISTICS_H

typedef struct bench_summary {
    int count;
    double least, lower_quartile, median, upper_quartile, most;
} bench_summary;

/* Sorts the samples. */
bench_summary bench_summarise(double *samples, int count);

#endif
