/* One op on the tensors of a safetensors file: what `tern op` does.
 *
 * IN holds the inputs under the names that the op's documentation gives them
 * (x0, x1 ... for a variadic x) and, with grad, grad_OUTPUT for each output that
 * a gradient flows through.  OUT receives the outputs and, with grad,
 * grad_INPUT for each differentiable input that was given.
 */
#ifndef TERN_KERNELS_OP_FILE_H
#define TERN_KERNELS_OP_FILE_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_op_file {
    const char *in, *out;        /* paths                              */
    const char *const *options;  /* "stride=2,1", option_count of them */
    int option_count;
    bool grad;
    bool training;
} tern_op_file;

/* Errors are in the context; OUT is written whole or not at all. */
bool tern_op_run_file(tern_ctx *ctx, const tern_op *op, const tern_op_file *file);

#endif
