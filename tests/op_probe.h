/* One run of an op, forward and backward, with all it produced copied to the host:
 * what the tests of all ops have in common. */
#ifndef TERN_TESTS_OP_PROBE_H
#define TERN_TESTS_OP_PROBE_H

#include "core/context.h"
#include "kernels/problem.h"

/* A tensor of the run, as doubles whatever it was. */
typedef struct op_value {
    char name[64]; /* "y", "grad_x", "after_running_mean" */
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count;
    double *values;
    double terms; /* how many were added up for an element, by the contract's cost,
                     at least 1; known on contexts of op_probe_open_movable only */
} op_value;

enum { OP_PROBE_VALUES = 2 * TERN_MAX_ARGS + TERN_MAX_SAVED };

typedef struct op_probe {
    op_value value[OP_PROBE_VALUES];
    int count;
} op_probe;

typedef struct op_probe_opts {
    uint64_t signature; /* of the step: one for each problem and mode */
    bool training;
    bool accumulate; /* gradients are added to op_probe_gradient's of seed 100 + input */
    /* Upstream gradients by output; where NULL op_probe_gradient's of seed 1 + output. */
    const double *upstream[TERN_MAX_SAVED];
    /* A ref context of op_probe_open_movable moves every real number that the kernels
     * read or write by a relative `move` times a normal deviate: inputs, upstream and
     * existing gradients, outputs, saved tensors, changed state.  How far the results
     * move shows what rounding everything to that precision may do. */
    double move;
    uint32_t move_draw; /* another number, other deviates */
} op_probe_opts;

/* Run the problem in a new step of ctx.  Look at the context for errors; free the
 * run in any case. */
void op_probe_make(tern_ctx *ctx, const tern_problem *problem, op_probe_opts opts, op_probe *run);
void op_probe_free(op_probe *run);
const op_value *op_probe_find(const op_probe *run, const char *name);

/* Uniform in [-2,2), exact in float32. */
void op_probe_gradient(uint32_t seed, int64_t count, double *values);

/* A ref context on which runs of this one op can be moved; one at a time. */
tern_ctx *op_probe_open_movable(const tern_op *op, tern_error *error);

#endif
