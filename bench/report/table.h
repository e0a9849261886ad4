/* What a suite found, for a person: a line for each row, hot and cold side by side. */
#ifndef TERN_BENCH_REPORT_TABLE_H
#define TERN_BENCH_REPORT_TABLE_H

#include <stdio.h>

#include "bench/suite/suite.h"

void bench_print_table(FILE *to, const bench_suite *suite);

/* Did the machine disturb the rows: was it slower at times (bench_peak_fell), were its cores far
 * apart (bench/measure/core_to_core.h), or not whole ones?  Then each report says so, in these
 * words; returns how many there are. */
enum { BENCH_WARNINGS = 3 };
int bench_suite_warnings(const bench_suite *suite, const char *warnings[BENCH_WARNINGS]);
#define BENCH_DISTURBED "the machine disturbed rows of several threads: "
#define BENCH_SLOWER "the machine disturbed the rows: at times one thread had less than nine " \
    "tenths of its FMA peak"
#define BENCH_FAR "its cores were far apart, at least for a while"
#define BENCH_SHARED "at times they had less than three quarters of their FMA peak, as when two " \
    "share a core"

/* The same of a suite that was only outlined (bench/suite/outline.h). */
void bench_print_outline(FILE *to, const bench_suite *suite);

/* "ok", or what is wrong with the result. */
const char *bench_result_verdict(const bench_result *result);

/* The command that times this row alone once more. */
void bench_row_command(const bench_suite *suite, const bench_result *result, char *text,
                       size_t size);

#endif
