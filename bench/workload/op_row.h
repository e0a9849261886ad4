/* One op on one problem, run again and again through the public API, and checked.
 *
 * Errors end in row->ctx; nothing here prints or exits.
 */
#ifndef TERN_BENCH_WORKLOAD_OP_ROW_H
#define TERN_BENCH_WORKLOAD_OP_ROW_H

#include "kernels/problem.h"

/* A problem with the lines it was made from, so that parts of it can be made. */
typedef struct bench_problem {
    const char *inputs, *options;
    uint64_t seed;
    tern_problem values;
} bench_problem;

bool bench_problem_make(bench_problem *problem, const tern_op *op, const char *inputs,
                        const char *options, uint64_t seed, tern_error *error);

typedef struct bench_op_row {
    const bench_problem *problem;
    tern_ctx *ctx;
    bool backward;                      /* time backward instead of forward          */
    tern_tensor *inputs[TERN_MAX_ARGS]; /* kept, so that a run uploads none of them  */
    double *grad_output;                /* of the first output, backward only        */
    int64_t outputs;                    /* its elements                              */
    double flops;                       /* of what is timed, by the op's contract    */
    double worst;                       /* error found, as a part of what is allowed */
} bench_op_row;

/* Upload the inputs, and draw the output's gradient if backward is timed.  The context is
 * the caller's. */
void bench_op_row_open(bench_op_row *row, tern_ctx *ctx, const bench_problem *problem,
                       bool backward);
void bench_op_row_close(bench_op_row *row);

/* A pass that warms the caches, and one that is timed. */
void bench_op_row_run(bench_op_row *row, double *seconds);

/* Compare with float64 loops on as many of the first input's indices along axis 0 as these
 * manage in a moment: the output there; or, with an output gradient that is zero elsewhere,
 * every input's gradient.  Allowed: 8 eps sqrt(terms) sum |terms|.  Right for ops in which
 * the output's index along axis 0 depends on the first input's alone. */
void bench_op_row_check(bench_op_row *row, uint32_t when, tern_error *error);

#endif
