/* Sample problems made real: random inputs for an op from a line of text.
 *
 * Values are drawn on the host and rounded to float32, so that ref, cpu and cuda
 * are given exactly the same numbers.  Gradient checks, tests, benchmarks and
 * `tern op` all build their tensors here.
 */
#ifndef TERN_KERNELS_PROBLEM_H
#define TERN_KERNELS_PROBLEM_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_problem_input {
    bool present;
    const tern_arg *arg;
    char name[40]; /* "x", or "x0", "x1" ... of a variadic input */
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count;
    void *values; /* double for reals, int32_t for indices, uint8_t for masks */
} tern_problem_input;

typedef struct tern_problem {
    const tern_op *op;
    void *options;
    int count; /* inputs, as tern_apply wants them */
    tern_problem_input inputs[TERN_MAX_ARGS];
} tern_problem;

/* Parse a sample's inputs and options text and draw the values. */
bool tern_problem_make(tern_problem *problem, const tern_op *op, const char *inputs,
                       const char *options, uint64_t seed, tern_error *error);
/* The same without values, for steps that compute nothing (on `meta`, or dry). */
bool tern_problem_outline(tern_problem *problem, const tern_op *op, const char *inputs,
                          const char *options, tern_error *error);
void tern_problem_free(tern_problem *problem);

/* Set options from "stride=2,1 activation=relu". */
bool tern_problem_set_options(tern_problem *problem, const char *text, tern_error *error);

/* The problem's inputs as tensors of the step in progress; with_grad makes each
 * differentiable one a leaf that receives a gradient. */
void tern_problem_upload(tern_ctx *ctx, const tern_problem *problem, bool with_grad,
                         tern_tensor **inputs);
/* Apply the op; outputs has room for TERN_MAX_SAVED. */
void tern_problem_apply(tern_ctx *ctx, const tern_problem *problem, tern_tensor *const *inputs,
                        tern_tensor **outputs);

/* Which input of the op a name means: its index in the contract, or -1.  A
 * variadic input x is called x, x0, x1 ... */
int tern_op_input_index(const tern_op *op, const char *name);

/* The dtype in which a kind of argument is kept on the host. */
tern_dtype tern_kind_host_dtype(tern_kind kind);

#endif
