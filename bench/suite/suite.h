/* Timing many problems: which rows there are, in what order they run, when they have run
 * often enough.
 *
 * What the machine can do (bench/measure/ceilings.h) is measured before and after each problem;
 * the best counts.
 *
 * Rows of one problem and pass (its providers, numbers of threads, SIMD levels, hot and cold)
 * are timed together, by turns, in an order drawn anew in each round.  Before the first
 * round and after the last, every row's results are compared with ref's
 * (bench/suite/check.h), the second time on inputs that it was never given; between, every
 * run is looked through for NaN, with which its memory was filled.
 *
 * Whole models, and peers (other frameworks), are timed in processes of their own
 * (bench/process/peer.h), otherwise as all rows: by the same turns, rule and checks.  They
 * rest between turns until threads that spin for more work have gone to sleep; a turn there
 * begins with a few milliseconds that are not timed, since a process that slept is slow
 * at first.  Whole models are hot only.
 */
#ifndef TERN_BENCH_SUITE_SUITE_H
#define TERN_BENCH_SUITE_SUITE_H

#include "bench/measure/bootstrap.h"
#include "bench/measure/ceilings.h"
#include "bench/measure/machine.h"
#include "bench/measure/statistics.h"
#include "bench/measure/stopping.h"
#include "bench/suite/cases.h"
#include "bench/suite/row.h"
#include "bench/workload/reference.h"

enum { BENCH_LIST = 8, BENCH_PASSES = 5, BENCH_NAME = 32, BENCH_WHY = 192, BENCH_PEERS = 6 };

/* A provider in another process: bench/process/peer.h. */
typedef struct bench_peer_given {
    const char *name, *command;
    bool no_ops, no_models; /* that it is not asked for */
} bench_peer_given;

typedef struct bench_settings {
    const char *device;                 /* NULL: cpu */
    const char *providers[BENCH_LIST];  /* none: all that the op has there */
    const char *simd[BENCH_LIST];       /* none: the best there is         */
    int threads[BENCH_LIST], thread_counts;
    bool passes[BENCH_PASSES], hot, cold;
    bench_peer_given peers[BENCH_PEERS];
    int peer_count;
    double peer_seconds; /* for each answer of a peer; 0: five minutes             */
    const char *serve;   /* command by which tern times whole models; NULL: none are */
    double dropout;      /* of timed training steps                                */
    bench_stop_rule rule; /* of each row, its seconds going by while the others run too;
                             less of them where the budget has to do for many problems  */
    double ceilings;      /* seconds for them before the first problem; at least a few tries */
    double budget;        /* seconds for everything; 0: no end                          */
    bool once;            /* run each row once, for a profiler: no check, no round      */
    uint64_t seed;
    const char *more;     /* that each row's command needs too, " --plugin ./mine.so"; or NULL */
    void (*prepare)(tern_ctx *ctx, void *user); /* of each context, to add providers; or NULL */
    bool (*stop)(void *user);           /* asked between runs; may be NULL */
    void (*progress)(int problem, int problems, const char *text, void *user); /* may be NULL */
    void *user;
} bench_settings;

/* What was found of one row. */
typedef struct bench_result {
    const bench_case *of;
    bench_pass pass;
    const char *device;
    char provider[BENCH_NAME], simd[BENCH_NAME];
    char *flags;          /* with which the implementation was compiled; NULL: not known */
    int threads;
    bool cold;
    double flops, bytes;  /* by the contract                                       */
    double executed;      /* FLOPs of this implementation                          */
    double memory;        /* bytes that its problem takes, of an outline; else 0   */
    double *samples;      /* seconds, in the order measured                        */
    bench_summary summary;
    double error[2];      /* before and after, as parts of what is allowed         */
    double distances[BENCH_DISTANCES]; /* of a whole model, the worse of both        */
    int left_out;         /* runs that left NaN                                    */
    int64_t memory_growth, allocations; /* of a whole model: bench/process/peer.h; -1 */
    bench_roof roof;      /* of the device cpu; seconds 0: not known               */
    bool has_ratio;
    char ratio_to[BENCH_NAME];
    bench_ratio ratio;    /* that provider's time over this one's, hand's row only */
    bench_stop stop;
    bool skipped;
    bool failed;          /* for something is wrong with the provider */
    char why[BENCH_WHY];  /* it was skipped                           */
} bench_result;

typedef struct bench_suite {
    const bench_settings *settings;
    const bench_cases *cases;
    bench_result *results;
    int count;
    bench_stop_rule rule; /* of the problem under way                   */
    double share;         /* its part of the budget, seconds; HUGE_VAL: all */
    bool interrupted;
    struct bench_peers *peers; /* those in other processes: bench/suite/peers.h */
    bench_ceilings ceilings;
    bench_disturbance disturbance;
} bench_suite;

/* Time all cases.  What was measured before an interruption, or before the budget was used
 * up, stays.  False and an error only where nothing can go on (no memory, no such device). */
bool bench_suite_run(bench_suite *suite, const bench_settings *settings, const bench_cases *cases,
                     tern_error *error);
void bench_suite_free(bench_suite *suite);

/* Is the case to be timed in that pass? */
bool bench_case_wants(const bench_case *of, const bench_settings *settings, bench_pass pass);

/* Providers of the op on the device; how many were put into names. */
int bench_providers_of(const tern_op *op, const bench_settings *settings,
                       char names[BENCH_LIST][BENCH_NAME], tern_error *error);

const char *bench_pass_name(bench_pass pass); /* "fwd", "bwd", "both", "infer", "train" */

#endif
