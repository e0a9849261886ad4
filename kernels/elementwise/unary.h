/* Functions of one tensor, element by element.  Activations are in activation_ops.h.
 *
 *          y                       gradient of x, g that of y
 *   neg    -x                      -g
 *   abs    |x|                     g * sign(x), 0 at 0
 *   exp    e^x                     g * y
 *   log    natural logarithm       g / x
 *   sqrt   square root             g / (2 y)
 *   clamp  min(max(x, low), high)  g where low < x < high, else 0
 *
 *   x      any shape
 *   -> y   the same
 *
 * NaN stays NaN (with a gradient of 0 from abs and clamp); log of 0 is -inf, log and sqrt
 * of a negative number NaN.  All as in PyTorch, the gradients at kinks and poles, too:
 * sqrt's at 0 is infinite, clamp's on a bound 0.
 *
 * Cost: memory traffic; exp and log take about 20 operations, whose float32 error bounds
 * stand in core/smath.h.
 */
#ifndef TERN_KERNELS_ELEMENTWISE_UNARY_H
#define TERN_KERNELS_ELEMENTWISE_UNARY_H

#include "core/context.h"
#include "core/op.h"

extern const tern_op tern_op_neg, tern_op_abs, tern_op_exp, tern_op_log, tern_op_sqrt,
    tern_op_clamp;

tern_tensor *tern_neg(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_abs(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_exp(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_log(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_sqrt(tern_ctx *ctx, tern_tensor *x);

/* A bound is heeded if its has_ field is set.  If min > max, all elements become max.
 * Errors: TERN_ERR_OPTION if neither is set, or a bound is given and not set. */
typedef struct tern_clamp_opts {
    double min, max;
    bool has_min, has_max;
} tern_clamp_opts;

tern_tensor *tern_clamp(tern_ctx *ctx, tern_tensor *x, tern_clamp_opts opts);

/* What functions of one tensor have in common: the shape rule, by which y is like x, and
 * the samples of those that have no options. */
void tern_unary_shape(tern_call *call);
extern const tern_sample tern_unary_samples[];

#endif
