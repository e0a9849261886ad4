/* How long to measure: until the median is known well enough, within bounds.
 *
 *   warm-up   until there were enough calls AND enough time went by: a count alone does not
 *             wake a clock, a time alone may be over before the caches hold anything
 *   samples   until the median's relative error (statistics.h) is below the goal, from `least`
 *             on; or there are `most`; or the time is over.  `least` comes before time.
 *
 * To stop at the first moment at which the error happens to look small enough is to look
 * until luck comes, and the more looks the worse.  So it is looked at `least` and then each
 * time a sixth more samples have come: 10 looks from 20 to 100, 25 to 1000.  The interval of
 * the median so found was tested to hold what it promises (tests/test_statistics.c).
 */
#ifndef TERN_BENCH_MEASURE_STOPPING_H
#define TERN_BENCH_MEASURE_STOPPING_H

#include <stdbool.h>

typedef struct bench_stop_rule {
    int warm_up_calls;
    double warm_up_seconds;
    int least, most; /* samples                                                      */
    double goal;     /* relative error of the median; 0: never met, so `most` are taken */
    double seconds;  /* that measuring may take; 0: no limit                         */
} bench_stop_rule;

/* 3 calls and 50 ms; 20 to 1000 samples, to 1 %, within 3 s.  With 1 % on either side a change
 * of 3 % is told from none. */
bench_stop_rule bench_stop_rule_default(void);

typedef enum bench_stop {
    BENCH_GO_ON = 0,
    BENCH_STOP_MET,        /* the error is below the goal      */
    BENCH_STOP_ROUNDS,     /* unmet: as many samples as may be */
    BENCH_STOP_TIME,       /* unmet: the time is over          */
    BENCH_STOP_INTERRUPTED /* unmet: by the user               */
} bench_stop;

/* As a report names it: "met", "rounds", "time", "interrupted". */
const char *bench_stop_name(bench_stop stop);

/* After so many calls, and seconds since the first of them. */
bool bench_is_warm(const bench_stop_rule *rule, int calls, double seconds);

/* After each sample; `seconds` since the first of them.  scratch as in bench_summarise, which
 * is called only when it is time to look. */
bench_stop bench_should_stop(const bench_stop_rule *rule, const double *samples, int count,
                             double seconds, double *scratch);

#endif
