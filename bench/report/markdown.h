/* A recorded report as Markdown, for the page of a folder of results: the machine, what it can
 * do, and a line for each row, hot and cold side by side. */
#ifndef TERN_BENCH_REPORT_MARKDOWN_H
#define TERN_BENCH_REPORT_MARKDOWN_H

#include <stdio.h>

#include "bench/report/read.h"

/* The machine, its ceilings, who else was there. */
void bench_markdown_host(const bench_recorded *report, FILE *to);

/* Every row. */
void bench_markdown_rows(const bench_recorded *report, FILE *to);

/* Of a model's step: what its ops take together, beside what their rooflines would; and the so
 * many that lose the most time against them, all calls of a step together.  tern's own rows
 * with warm caches.  TERN_ERR_DATA if there are none; TERN_ERR_MEMORY. */
bool bench_markdown_worst(const bench_recorded *report, int most, FILE *to, tern_error *error);

#endif
