/* The rounds in which the lanes of one problem are timed: each lane a turn, in an order drawn
 * anew in each round, until its row has ended (bench/measure/stopping.h). */
#ifndef TERN_BENCH_SUITE_ROUNDS_H
#define TERN_BENCH_SUITE_ROUNDS_H

#include "bench/suite/lanes.h"

/* Until `deadline` (bench_seconds), or the suite is stopped.  False only without memory. */
bool bench_rounds_run(bench_lanes *lanes, double deadline, tern_error *error);

bool bench_is_stopped(const bench_suite *suite);

#endif
