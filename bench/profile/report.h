/* What a recorded run's times say: for people, and as JSON. */
#ifndef TERN_BENCH_PROFILE_REPORT_H
#define TERN_BENCH_PROFILE_REPORT_H

#include "bench/profile/roof.h"

#include <jansson.h>
#include <stdio.h>

typedef struct profile_report {
    const profile_recorder *recorder;  /* has ended */
    const profile_roof *roof;  /* NULL: not measured, no share of the roofline is told */
    int64_t process_bytes;           /* the most that was resident                           */
    double least;                    /* shares of the wall time below this are summed up     */
} profile_report;

/* A part of the wall time.  All parts together are the wall time. */
typedef struct profile_part {
    const char *name;
    int64_t ns;
} profile_part;

enum { PROFILE_MOST_PARTS = 64 };
/* Kernels, time between them, each span without kernels, the rest, and the recorder itself;
 * the longest first.  How many there are. */
int profile_parts(const profile_recorder *recorder, profile_part parts[PROFILE_MOST_PARTS]);

/* One op in one pass by one provider, over all layers, without first steps. */
typedef struct profile_op_sum {
    const tern_op *op;
    tern_pass pass;
    const char *provider;
    int64_t calls, total_ns;
    double flops, bytes, roof_seconds;
    double bound_seconds[BENCH_LEVELS + 1]; /* of these, by each level's bandwidth; by FLOPs */
    bool at_most;
} profile_op_sum;

/* To be freed; the longest first.  NULL without memory. */
profile_op_sum *profile_ops(const profile_report *profile, int *count);

/* What most of the op's seconds at the roofline come from: "fma", "L2", "memory" ... */
const char *profile_bound_name(const profile_op_sum *sum);

void profile_print(const profile_report *profile, FILE *out);
/* NULL without memory. */
json_t *profile_json(const profile_report *profile);

#endif
