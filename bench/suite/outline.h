/* What a problem computes and needs, known without computing it: from its shapes alone, on the
 * device `meta`. */
#ifndef TERN_BENCH_SUITE_OUTLINE_H
#define TERN_BENCH_SUITE_OUTLINE_H

#include "bench/suite/suite.h"

typedef struct bench_outline {
    double flops, bytes; /* of what is timed, by the contract, as in a result             */
    double memory;       /* bytes that timing it takes: values, ref's, every row's context */
} bench_outline;

/* The problem in that pass with so many rows.  False and an error where shapes or options make
 * no sense, where ref would need too long to check it, or where there is no memory for it
 * (outline is known all the same in the last two cases). */
bool bench_outline_make(bench_outline *outline, const bench_settings *settings,
                        const bench_case *of, bench_pass pass, int rows, tern_error *error);

/* All rows that bench_suite_run would time, with what is known of them; nothing is timed.  Those
 * that would be skipped are skipped already.  Each provider but hand's is tried once, on an op's
 * smallest sample, so that a library that is missing is told. */
bool bench_suite_outline(bench_suite *suite, const bench_settings *settings,
                         const bench_cases *cases, tern_error *error);

/* Seconds that bench_suite_run would take at most, about: where no 20 runs take longer. */
double bench_suite_longest(const bench_suite *suite);

#endif
