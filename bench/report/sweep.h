/* Which rows of a report differ in a size alone: those that `--shape 8:4096:x2` made.
 *
 * A report does not tell which number was swept, so it is looked for.  Rows are of one sweep if
 * the numbers in their inputs and options are the same in all places but some, and those are
 * in the same proportion to each other in every row:
 *
 *   a=[64,64] b=[64,64]        a=[n,n] b=[n,n]
 *   a=[128,128] b=[128,128]    n = 64, 128, ...
 *
 * Two sizes are no sweep; problems that happen to resemble each other seldom come in threes.
 */
#ifndef TERN_BENCH_REPORT_SWEEP_H
#define TERN_BENCH_REPORT_SWEEP_H

#include "bench/report/read.h"

enum { BENCH_LEAST_SIZES = 3, BENCH_MOST_SWEEPS = 24 };

typedef struct bench_sweep {
    char title[BENCH_ROW_NAME_BYTES]; /* "matmul a=[n,n] b=[n,n]"   */
    int sizes, rows;
} bench_sweep;

typedef struct bench_sweep_place {
    int sweep;   /* -1: of none                     */
    double size; /* n: the first of its places' number */
} bench_sweep_place;

/* Fills places [count] and sweeps; returns how many sweeps there are, those with most sizes
 * first, or -1 with TERN_ERR_MEMORY. */
int bench_sweeps_find(const bench_recorded_row *const *rows, int count,
                      bench_sweep_place *places, bench_sweep sweeps[BENCH_MOST_SWEEPS],
                      tern_error *error);

#endif
