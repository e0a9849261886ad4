/* What the machine can do, measured in the run that it is compared with, and the least time
 * that a computation can take on it (the roofline model: Williams et al. 2009,
 * doi:10.1145/1498765.1498785). */
#ifndef TERN_BENCH_MEASURE_CEILINGS_H
#define TERN_BENCH_MEASURE_CEILINGS_H

#include "bench/measure/caches.h"
#include "bench/measure/core_to_core.h"
#include "core/error.h"

typedef enum bench_ceiling_kind {
    BENCH_CEILING_FMA,  /* FLOPs a second, a multiply-add is two                     */
    BENCH_CEILING_READ, /* bytes a second                                            */
    BENCH_CEILING_COPY  /* bytes a second, those read and those written both counted */
} bench_ceiling_kind;

typedef struct bench_ceiling {
    bench_ceiling_kind kind;
    int threads;
    const char *simd;  /* of fma                                            */
    bench_level level; /* of read and copy                                  */
    size_t bytes;      /* of read and copy: each thread's working set       */
    double per_second; /* of all threads together; the best so far, 0: none */
    double worst;      /* of fma: that measurement's best in which it was least; 0: none */
} bench_ceiling;

enum {
    BENCH_MOST_THREAD_COUNTS = 8,
    BENCH_MOST_SIMD = 3,
    BENCH_MOST_CEILINGS = BENCH_MOST_THREAD_COUNTS * (BENCH_MOST_SIMD + 2 * BENCH_LEVELS)
};

/* The figures stay when it is closed. */
typedef struct bench_ceilings {
    bench_caches caches;
    int count;
    bench_ceiling ceiling[BENCH_MOST_CEILINGS];
    bench_core_to_core core_to_core; /* the least and the most of all measurements */
    struct bench_ceilings_threads *measuring; /* pools and memory; NULL when closed */
} bench_ceilings;

/* For these thread counts, at most BENCH_MOST_THREAD_COUNTS, and every SIMD level of this
 * machine; nothing is measured yet.  Bandwidth is that of the widest level: with it a kernel
 * of a lesser one, which loads less at once from L1, is compared too. */
bool bench_ceilings_open(bench_ceilings *ceilings, const int *threads, int count,
                         tern_error *error);

/* Try all of them in turn for about that long, three times at least, and keep the best of
 * each; so one burst of a neighbour spoils no figure, and a further call, between the rows
 * or after them, can only make them better.  A round takes about 20 ms for each thread
 * count.  A neighbour that never rests, a clock that falls while all cores work, or more
 * threads than cores make every figure too low: what is then faster than its roofline is not
 * impossible, but nothing can be told from it.
 *
 * Where there are two cores, each call measures once how far apart they are. */
void bench_ceilings_measure(bench_ceilings *ceilings, double seconds);
/* What such a call takes at least, about. */
double bench_ceilings_least_seconds(int thread_counts);
void bench_ceilings_close(bench_ceilings *ceilings);

/* Of a thread count that was not measured, the best figure a thread of those that were, times
 * the threads: not less than the truth.  0 if there is none.  simd NULL is the widest. */
double bench_fma_ceiling(const bench_ceilings *ceilings, const char *simd, int threads);

/* The greater of read and copy: which of them a kernel comes near to is up to its mix. */
double bench_bandwidth_ceiling(const bench_ceilings *ceilings, bench_level level, int threads);

/* Had the threads, in one of the measurements, so much less than their FMA peak that times tell
 * about the machine?  Several: less than three quarters.  A virtual machine's host may make two
 * virtual CPUs of the two threads of one core (SMT), and give each a core of its own later:
 * then they have half of it.  One: less than nine tenths, as beside a neighbour on the core's
 * other thread, or when the clock falls. */
bool bench_peak_fell(int threads, double fma_best, double fma_worst);

/* "fma", "read", "copy" */
const char *bench_ceiling_kind_name(bench_ceiling_kind kind);

/* --------------------------------------------------------------- roofline -- */

typedef struct bench_work {
    const char *simd;   /* NULL: the widest                                               */
    int threads;        /*                                                                */
    double flops;       /* that this provider executes: Winograd counts its own           */
    double bytes;       /* that have to pass: every input read and every output written   */
    double working_set; /* bytes that one call touches, all threads together              */
    bool cold;          /* they begin in memory; else where the call before left them     */
} bench_work;

typedef struct bench_roof {
    double seconds;         /* the least possible, 0 if no ceiling was measured    */
    double fma_seconds;     /* of the FLOPs alone                                  */
    double traffic_seconds; /* of the bytes alone                                  */
    bench_level level;      /* whose bandwidth makes traffic_seconds               */
    const char *binds;      /* "fma", or the level's name: what makes the seconds  */
} bench_roof;

/* The least seconds that the work can take.
 *
 * Of a working set of W bytes, the caches of the inner levels hold at most their sizes; what
 * is beyond them comes from farther out at every call.  So at each level passes at least
 *
 *     bytes * max(0, W - bytes of the caches inside of it) / W
 *
 * and the level that takes longest for its part is the one that binds.  All of it counts
 * for a cold call, at every level.
 *
 * It errs to too little time, so that what is faster is an error: sums are taken for caches
 * whether or not the outer holds the inner's bytes too, and arithmetic and traffic overlap
 * wholly.  But ceilings are measured, by loops that another may beat a little (memcpy in L2 by
 * 3 %), so a verdict should allow some 5 %.  What could fool it: an L3 said to be greater than this guest's part of it. */
bench_roof bench_roofline(const bench_ceilings *ceilings, const bench_work *work);

#endif
