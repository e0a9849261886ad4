/* A comparison as a table for people, and as JSON. */
#ifndef TERN_BENCH_REPORT_COMPARE_WRITE_H
#define TERN_BENCH_REPORT_COMPARE_WRITE_H

#include "bench/report/compare.h"

#include <stdio.h>

/* Write errors are left in the stream (ferror). */
void bench_comparison_print(const bench_comparison *comparison, FILE *to);

/* { "format": "tern bench compare 1",
 *   "a": { "file", "date", "git" }, "b": likewise, "threshold": 0.03, "confidence": 0.95,
 *   "counts": { "slower", "faster", "ambiguous", "same", "broken" },
 *   "rows": [ { "op" ... "tags" as in the reports, "median_a": s, "median_b": s, "n_a", "n_b",
 *               "ratio", "low", "high" (null: too few samples), "verdict" } ],
 *   "left": [ { "op" ... "tags", "a": verdict | null, "b": verdict | null } ] }
 * False if it could not be made or written. */
bool bench_comparison_json(const bench_comparison *comparison, FILE *to);

/* "1.234 ms": four digits and a unit.  Returns text. */
enum { BENCH_TIME_BYTES = 24 };
char *bench_time_text(double seconds, char text[BENCH_TIME_BYTES]);

#endif
