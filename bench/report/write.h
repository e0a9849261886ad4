/* A suite's report as files: JSON with all samples (what `tern bench compare` and the plots
 * read, docs/benchmarking.md says what is in it), CSV and Markdown with a line for each row. */
#ifndef TERN_BENCH_REPORT_WRITE_H
#define TERN_BENCH_REPORT_WRITE_H

#include "bench/suite/suite.h"

typedef struct bench_tag {
    const char *name, *value;
} bench_tag;

typedef struct bench_about {
    const char *command; /* as the user typed it */
    const bench_tag *tags; /* of all rows */
    int tag_count;
} bench_about;

/* By what the path ends in: .json, .csv or .md.  Whole or not at all. */
bool bench_report_write(const bench_suite *suite, const bench_about *about, const char *path,
                        tern_error *error);

/* Whether bench_report_write knows the ending; else an error that names those it knows. */
bool bench_report_knows(const char *path, tern_error *error);

#endif
