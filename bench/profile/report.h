/* What a recorded run's times say: for people, and as JSON. */
#ifndef TERN_BENCH_PROFILE_REPORT_H
#define TERN_BENCH_PROFILE_REPORT_H

#include "bench/profile/ceilings.h"

#include <jansson.h>
#include <stdio.h>

typedef struct bench_profile {
    const bench_recorder *recorder;  /* has ended */
    const bench_ceilings *ceilings;  /* NULL: not measured, no share of the roofline is told */
    int64_t process_bytes;           /* the most that was resident                           */
    double least;                    /* shares of the wall time below this are summed up     */
} bench_profile;

/* A part of the wall time.  All parts together are the wall time. */
typedef struct bench_part {
    const char *name;
    int64_t ns;
} bench_part;

enum { BENCH_MOST_PARTS = 64 };
/* Kernels, time between them, each span without kernels, the rest, and the recorder itself;
 * the longest first.  How many there are. */
int bench_profile_parts(const bench_recorder *recorder, bench_part parts[BENCH_MOST_PARTS]);

/* One op in one pass by one provider, over all layers, without first steps. */
typedef struct bench_op_sum {
    const tern_op *op;
    tern_pass pass;
    const char *provider;
    int64_t calls, total_ns;
    double flops, bytes, roof_seconds, compute_seconds; /* compute: of it, by FLOPs alone */
    bool at_most;
} bench_op_sum;

/* To be freed; the longest first.  NULL without memory. */
bench_op_sum *bench_profile_ops(const bench_profile *profile, int *count);

void bench_profile_print(const bench_profile *profile, FILE *out);
/* NULL without memory. */
json_t *bench_profile_json(const bench_profile *profile);

#endif
