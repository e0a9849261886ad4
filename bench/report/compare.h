/* Two reports, row by row: what became faster or slower, and what cannot be told.
 *
 * Of each row that both have, the ratio of the medians, time in B / time in A, with a
 * bootstrap interval (measure/bootstrap.h); and a threshold t, the least change that counts:
 *
 *   slower     ratio >= 1 + t, and the interval lies above 1
 *   faster     ratio <= 1 / (1 + t), and the interval lies below 1
 *   same       the interval lies between 1 / (1 + t) and 1 + t: no change that counts
 *   ambiguous  anything else: too few samples, or too noisy, for this threshold
 *
 *        1/(1+t)    1     1+t
 *    --------|------+------|--------> ratio
 *            |    [-*--]   |           same
 *            |      | [----*---]       slower
 *            |   [-----*-------]       ambiguous
 *
 * An interval tells what a second measurement in the same run would give.  Another run of the
 * same program, whose memory lies elsewhere, may be off by a per cent or two beyond that:
 * this is what the threshold is for.
 */
#ifndef TERN_BENCH_REPORT_COMPARE_H
#define TERN_BENCH_REPORT_COMPARE_H

#include "bench/measure/bootstrap.h"
#include "bench/report/read.h"

typedef enum bench_verdict {
    BENCH_SLOWER,
    BENCH_FASTER,
    BENCH_AMBIGUOUS,
    BENCH_SAME,
    BENCH_VERDICTS /* how many there are */
} bench_verdict;

const char *bench_verdict_name(bench_verdict verdict);

typedef struct bench_compared_row {
    const bench_recorded_row *a, *b;
    bench_ratio ratio; /* time in b / time in a */
    bench_verdict verdict;
} bench_compared_row;

/* A row that was not compared: only in one file (the other is NULL); or skipped, suspect or
 * wrong in one. */
typedef struct bench_left_row {
    const bench_recorded_row *a, *b;
} bench_left_row;

typedef struct bench_compare_opts {
    double threshold;  /* 0.03 is 3 %; above 0   */
    double confidence; /* of intervals; 0: 0.95  */
    uint64_t seed;     /* of the bootstrap       */
} bench_compare_opts;

typedef struct bench_comparison {
    const bench_recorded *a, *b;
    bench_compare_opts opts;
    bench_compared_row *rows; /* by verdict in the order above, then by size of change */
    bench_left_row *left;
    int row_count, left_count;
    int counts[BENCH_VERDICTS];
    int broken; /* of those left: counted in A, and its values are wrong in B */
} bench_comparison;

/* Both reports outlive the comparison.  Errors: TERN_ERR_DATA if a file has one row twice, or
 * if no row is in both; TERN_ERR_MEMORY. */
bool bench_compare(const bench_recorded *a, const bench_recorded *b, bench_compare_opts opts,
                   bench_comparison *comparison, tern_error *error);
void bench_comparison_free(bench_comparison *comparison);

bench_verdict bench_verdict_of(bench_ratio ratio, double threshold);

#endif
