/* What a suite found, for a person: a line for each row, hot and cold side by side. */
#ifndef TERN_BENCH_REPORT_TABLE_H
#define TERN_BENCH_REPORT_TABLE_H

#include <stdio.h>

#include "bench/suite/suite.h"

void bench_print_table(FILE *to, const bench_suite *suite);

/* Were its rows of several threads measured on cores far apart (bench/measure/core_to_core.h)?
 * Then each report says so, in these words. */
bool bench_suite_is_disturbed(const bench_suite *suite);
#define BENCH_DISTURBED "the machine disturbed rows of several threads: " \
    "its cores were far apart, at least for a while"

/* The same of a suite that was only outlined (bench/suite/outline.h). */
void bench_print_outline(FILE *to, const bench_suite *suite);

/* "ok", or what is wrong with the result. */
const char *bench_result_verdict(const bench_result *result);

/* The command that times this row alone once more. */
void bench_row_command(const bench_suite *suite, const bench_result *result, char *text,
                       size_t size);

#endif
