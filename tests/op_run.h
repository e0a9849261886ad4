/* Run any op of the table on a device and keep everything it gives: outputs,
 * gradients of all inputs, and what became of inputs it changes in place.
 *
 * Inputs (kernels/problem.h) and output gradients are random float32 values, the same
 * for every device.
 */
#ifndef TERN_TESTS_OP_RUN_H
#define TERN_TESTS_OP_RUN_H

#include "core/op.h"

typedef struct op_run_how {
    const char *device; /* default "ref"                                            */
    const char *simd;   /* cpu: NULL means the best                                 */
    const char *provider; /* of the op; NULL means the default                      */
    int threads;        /* cpu: default 1                                           */
    int uses;           /* apply the op so often to the same inputs, so that their
                           gradients accumulate; default 1                          */
    bool eval;          /* record without training behaviour                        */
    bool frozen;        /* leave state alone                                        */
    bool absolute;      /* all reals by their absolute value: with a linear op the
                           results are the sums of |terms|, for error bounds        */
} op_run_how;

typedef struct op_values {
    int64_t count; /* 0 and NULL: not there */
    double *values;
} op_values;

typedef struct op_result {
    op_values out[TERN_MAX_SAVED];
    op_values in[TERN_MAX_ARGS];   /* after the run */
    op_values grad[TERN_MAX_ARGS];
} op_result;

/* inputs and options as in tern_sample.  Fails the running test on an error. */
op_result op_run(const char *op, const char *inputs, const char *options, op_run_how how);
void op_result_free(op_result *result);

/* The same bits throughout. */
bool op_results_equal(const op_result *a, const op_result *b);

/* Every value of got within tolerance of want:
 *     |got - want| <= tolerance * scale + 1e-37,  scale[i] or, if scale is NULL,
 *     the largest |want|
 * Fails the test with `what` and the first offender. */
void assert_values_near(const char *what, const op_values *got, const op_values *want,
                        const op_values *scale, double tolerance);

/* At every SIMD level cpu gives what ref gives, within tolerance of the largest value
 * of each tensor, when gradients are written and when they are added to; and 2 and 3
 * threads give the same bits as 1. */
void assert_cpu_follows_ref(const char *op, const char *inputs, const char *options,
                            double tolerance);

#endif
