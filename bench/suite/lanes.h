/* The rows of one problem and pass: a lane for each provider, number of threads and SIMD
 * level.  An op of tern runs in a context of its own here, whole models and peers in
 * other processes. */
#ifndef TERN_BENCH_SUITE_LANES_H
#define TERN_BENCH_SUITE_LANES_H

#include "bench/measure/evict.h"
#include "bench/suite/check.h"
#include "bench/suite/peers.h"
#include "bench/suite/suite.h"

typedef struct bench_lane {
    /* In this process: */
    tern_ctx *ctx;
    bench_row row;
    bench_evictor *evictor; /* of cold runs; NULL without them */
    /* In another: */
    bench_peer *peer;
    bool owns_peer;
    bool is_peer;
    int number;        /* of settings.peers; -1: tern's own process */
    int thread_number; /* of settings.threads                       */

    double flops, bytes; /* of a run                                                     */
    double executed;     /* FLOPs of tern's implementation; of others the contract's    */
    int hot, cold;       /* numbers of the results; -1: none                             */
    bool ready;          /* it can be run                                                */
} bench_lane;

typedef struct bench_lanes {
    bench_suite *suite;
    const bench_case *of;
    bench_pass pass;
    bench_lane *lane;
    int count;
    bench_lane guide; /* of ops with peers: what they are told and held against is from its row */
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
/* The same of a lane whose provider is at fault. */
void bench_lane_fail(bench_lanes *lanes, bench_lane *lane, const char *why);
/* All that are ready. */
void bench_lanes_skip_ready(bench_lanes *lanes, const char *why);

/* Run a lane that was opened without a problem once, on the op's smallest sample: if its
 * provider, device or SIMD level cannot, its results are skipped for that reason. */
void bench_lane_try(bench_lanes *lanes, bench_lane *lane);

/* A turn: a run here (hot: after one that is not timed), or some in another process.  False if
 * the lane has given up. */
bool bench_lane_run(bench_lanes *lanes, bench_lane *lane, bool cold, bench_peer_times *times,
                    int *count);

/* --- peer_lanes.c --- */

/* Start the processes of the lanes that run in another; bench_lanes_open does so with a problem. */
void bench_peer_lanes_start(bench_lanes *lanes);
/* Wait for its first answer, and no more; if there is none, its results are skipped. */
void bench_peer_lane_try(bench_lanes *lanes, bench_lane *lane);
/* Open the op's problem in them. */
bool bench_op_peers_open(bench_lanes *lanes, const tern_problem *problem, tern_error *error);
/* Open the whole model, of which these are the files. */
void bench_model_lanes_open(bench_lanes *lanes, const bench_model_reference *reference);

/* What a lane in another process computes, as a part of what is allowed; one that breaks down,
 * or is wrong before it is timed (`when` 0), gives up.  file: what it is given, of ops
 * written by bench_op_peers_write.  Exactly one of the references. */
void bench_peer_lane_check(bench_lanes *lanes, bench_lane *lane, int when,
                           const bench_reference *op, const bench_model_reference *model);
bool bench_op_peers_write(bench_lanes *lanes, const tern_problem *problem,
                          const bench_reference *reference, tern_error *error);

#endif
