/* Run any op of the table, forward and backward, and keep everything it gives: outputs,
 * gradients of its inputs, and what became of the inputs themselves.
 *
 * Inputs (kernels/problem.h) and output gradients are random float32 values, the same
 * for every device.
 */
#ifndef TERN_TESTS_OP_RUN_H
#define TERN_TESTS_OP_RUN_H

#include "core/context.h"
#include "kernels/problem.h"

/* A tensor of the run, as doubles whatever it was. */
typedef struct op_value {
    char name[48]; /* "y", "x", "grad_x"; empty: not there */
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count;
    double *values;
} op_value;

enum { OP_VALUES = TERN_MAX_SAVED + 2 * TERN_MAX_ARGS };

/* By the numbers of outputs and inputs in the contract, or all in a row. */
typedef union op_result {
    struct {
        op_value out[TERN_MAX_SAVED];
        op_value in[TERN_MAX_ARGS]; /* after the run */
        op_value grad[TERN_MAX_ARGS];
    };
    op_value value[OP_VALUES];
} op_result;

typedef struct op_run_how {
    bool eval;          /* record without training behaviour                      */
    int uses;           /* apply the op so often to the same inputs, so that their
                           gradients accumulate; default 1                        */
    bool accumulate;    /* gradients are added to op_run_gradient's, of seed 100 +
                           number of the input                                    */
    uint32_t rng_step;  /* of dropout; 0 means 3                                  */
    uint64_t signature; /* of the step: one for each problem and way to run it    */
    /* Output gradients; where NULL op_run_gradient's of seed 1 + number of the output. */
    const double *upstream[TERN_MAX_SAVED];
    /* Called with each input and given gradient before a kernel sees it. */
    void (*touch)(tern_tensor *tensor);
} op_run_how;

/* Run a problem in a new step of ctx.  Look at the context for errors; free the result
 * in any case. */
op_result op_run_on(tern_ctx *ctx, const tern_problem *problem, op_run_how how);

/* The same in a context of its own, inputs and options as in tern_sample.  Fails the
 * running test on an error. */
op_result op_run(const char *device, const char *op, const char *inputs, const char *options,
                 op_run_how how);
void op_result_free(op_result *result);

/* Uniform in [-2,2), exact in float32. */
void op_run_gradient(uint32_t seed, int64_t count, double *values);

/* The first thing in which two results differ, put into text; NULL if there is none.
 * op_shapes_differ does not look at values. */
enum { OP_DIFFERENCE_TEXT = 128 };
const char *op_shapes_differ(const op_result *a, const op_result *b, char *text);
const char *op_results_differ(const op_result *a, const op_result *b, char *text);

/* Fail the running test with `what` and the first difference. */
void assert_same_shapes(const char *what, const op_result *a, const op_result *b);
void assert_same_bits(const char *what, const op_result *a, const op_result *b);

#endif
