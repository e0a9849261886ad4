/* One process that times one classifier, when and as often as it is told.
 *
 * So that rounds of several programs can alternate, each is a process that reads a command
 * a line and answers with a line of JSON:
 *
 *   train N   N timed training steps after one that warms up   {"seconds": [N times]}
 *   infer N   N timed inferences of one row, likewise          {"seconds": [N times]}
 *   end       what else is known, then the process ends        {"memory_growth": ...}
 *
 * Anything that fails is answered by {"error": "message"}.
 */
#ifndef TERN_BENCH_WORKLOAD_WORKER_H
#define TERN_BENCH_WORKLOAD_WORKER_H

#include "bench/workload/trimodal.h"

#include <stdio.h>

/* Serve until `end` or the end of `in`; false after an error. */
bool bench_worker_serve(const bench_trimodal_opts *opts, FILE *in, FILE *out);

#endif
