/* Global L2 norm of a gradient block, and the factor that clips it.
 *
 *   norm  = sqrt( sum_i grad[i]^2 )
 *   scale = min(1, max_norm / (norm + 1e-6))     1 without max_norm
 *
 *   grad      [...]  usually tern_blocks(ctx)->grad: all parameters at once
 *   -> norm   []
 *   -> scale  []     as torch.nn.utils.clip_grad_norm_ multiplies by
 *
 * Nothing is scaled here: give `scale` to tern_adamw, which multiplies as it reads,
 * so that clipping costs one reading pass and the norm never visits the host.
 * A norm that is infinite gives scale 0, one that is NaN gives NaN, as in PyTorch.
 *
 * Squares are added in float64 on every backend, in a fixed order.  Not
 * differentiable.  Cost: 2 FLOPs per element; reads grad once.
 */
#ifndef TERN_KERNELS_GRAD_NORM_H
#define TERN_KERNELS_GRAD_NORM_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_grad_norm_opts {
    double max_norm; /* default: none, scale is 1 */
} tern_grad_norm_opts;

extern const tern_op tern_op_grad_norm;

/* Returns norm; scale may be NULL if the caller does not clip. */
tern_tensor *tern_grad_norm(tern_ctx *ctx, tern_tensor *grad, tern_tensor **scale,
                            tern_grad_norm_opts opts);

/* The factor for a norm; for backends. */
double tern_clip_scale(double norm, double max_norm);

#endif
