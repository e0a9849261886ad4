/* One op on the arrays of a file: what `tern op` does.
 *
 * IN holds the inputs under the names that the op's documentation gives them
 * (x0, x1 ... for a variadic x) and, with grad, grad_OUTPUT for each output that
 * a gradient flows through; outputs without one have gradient zero.  OUT receives the
 * outputs, the inputs that the op changes in place under their own names and, with grad,
 * grad_INPUT for each differentiable input that was given.
 *
 * Both are .safetensors or .npz; .npy will do where there is one array.  What is given as
 * f64, f32, bf16, i64, i32 or u8 becomes what the contract wants (core/convert.h): whole
 * numbers where it wants reals and they can be kept, f64 rounded to f32 on devices whose
 * real type that is, i64 as i32 and as mask where the values fit.
 */
#ifndef TERN_KERNELS_OP_FILE_H
#define TERN_KERNELS_OP_FILE_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_op_file {
    const char *in, *out;        /* paths; in is NULL for no inputs    */
    const char *const *options;  /* "stride=2,1", option_count of them */
    int option_count;
    bool grad;
    bool training;
} tern_op_file;

typedef struct tern_op_array {
    char name[128];
    tern_dtype dtype;
    int rank;
    int64_t shape[TERN_MAX_RANK];
    int64_t count, not_finite;
    double lowest, highest, mean; /* of the finite values, if there are any */
} tern_op_array;

/* What was read, as the op was given it, and what was written. */
typedef struct tern_op_report {
    tern_op_array in[TERN_MAX_ARGS + TERN_MAX_SAVED];
    tern_op_array out[2 * TERN_MAX_ARGS + TERN_MAX_SAVED];
    int in_count, out_count;
    double flops; /* of forward, by the contract */
} tern_op_report;

/* Errors are in the context; OUT is written whole or not at all.  report may be NULL. */
bool tern_op_run_file(tern_ctx *ctx, const tern_op *op, const tern_op_file *file,
                      tern_op_report *report);

#endif
