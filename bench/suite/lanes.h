/* The rows of one problem and pass: a context of its own for each provider, number of threads
 * and SIMD level. */
#ifndef TERN_BENCH_SUITE_LANES_H
#define TERN_BENCH_SUITE_LANES_H

#include "bench/measure/evict.h"
#include "bench/suite/suite.h"

typedef struct bench_lane {
    tern_ctx *ctx;
    bench_row row;
    bench_evictor *evictor; /* of cold runs; NULL without them */
    int hot, cold;          /* numbers of the results; -1: none */
    bool ready;             /* it can be run */
} bench_lane;

typedef struct bench_lanes {
    bench_suite *suite;
    const bench_case *of;
    bench_pass pass;
    bench_lane *lane;
    int count;
} bench_lanes;

/* Open the lanes, each with its results, which are added to the suite.  What cannot be run
 * has its reason in them.  problem NULL: nothing but the results.  False only without memory. */
bool bench_lanes_open(bench_lanes *lanes, bench_suite *suite, const bench_case *of,
                      bench_pass pass, const tern_problem *problem, tern_error *error);
void bench_lanes_close(bench_lanes *lanes);

/* The same results, all skipped for that reason, where nothing could be opened. */
bool bench_lanes_skip(bench_suite *suite, const bench_case *of, bench_pass pass, const char *why,
                      tern_error *error);

/* A lane gives up: its results are skipped, for the error of its context or that reason. */
void bench_lane_skip(bench_lanes *lanes, bench_lane *lane, const char *why);

/* Run a lane that was opened without a problem once, on the op's smallest sample: if its
 * provider, device or SIMD level cannot, its results are skipped for that reason. */
void bench_lane_try(bench_lanes *lanes, bench_lane *lane);

/* One run, hot (after one that is not timed) or cold.  Seconds. */
double bench_lane_run(bench_lane *lane, bool cold);

#endif
