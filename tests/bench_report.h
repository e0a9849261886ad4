/* Made-up reports of `tern bench`, as text. */
#ifndef TERN_TESTS_BENCH_REPORT_H
#define TERN_TESTS_BENCH_REPORT_H

#include "bench/report/read.h"
#include "tests/timing_noise.h"

#include <jansson.h>

/* Rows of matmul, of as many sizes from 16 on; hot, one thread.  Row r takes
 * base(r) * factors[r] (NULL: 1); all noises by turns. */
json_t *bench_report_make(int rows, int samples, const double *factors, uint64_t seed);

/* As a file would be read; the test fails if it is not one.  Takes the reference. */
bench_recorded *bench_report_read(json_t *report);

json_t *bench_report_row(json_t *report, int row);

#endif
