/* Dropout (Srivastava et al. 2014): in training each element is dropped with
 * probability p and the others are scaled, so that the expectation stays.
 *
 *   y[e] = x[e] * (u[e] >= p ? 1 / (1 - p) : 0)   in training
 *   y[e] = x[e]                                   otherwise
 *
 *   x      any shape
 *   -> y   the same
 *
 * u[e] is uniform in [0,1) from the Philox stream of this call (core/rng.h), the
 * same on every backend. Nothing is saved: backward draws the numbers again.
 * Errors: TERN_ERR_OPTION unless 0 <= p <= 1 (1 drops everything).
 */
#ifndef TERN_KERNELS_ELEMENTWISE_DROPOUT_H
#define TERN_KERNELS_ELEMENTWISE_DROPOUT_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_dropout_opts {
    double p; /* share of elements to drop; default 0, none */
} tern_dropout_opts;

extern const tern_op tern_op_dropout;

/* What a kept element is multiplied with: 1 / (1 - p). */
static inline double tern_dropout_scale(double p)
{
    return p < 1 ? 1 / (1 - p) : 0;
}

tern_tensor *tern_dropout(tern_ctx *ctx, tern_tensor *x, tern_dropout_opts opts);

#endif
