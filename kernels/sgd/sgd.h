/* One step of gradient descent with momentum, as torch.optim.SGD with dampening 0.
 *
 *   g        = scale * grad[i] + weight_decay * value
 *   velocity = momentum * velocity + g
 *   value   -= lr * velocity                      or, with nesterov (Nesterov 1983),
 *   value   -= lr * (g + momentum * velocity)
 *
 *   value, velocity  [n]  changed in place; velocity starts as zeros
 *   grad             [n]
 *   scale            []   or [1]: tern_grad_norm's second output; NULL for 1
 *
 * Without momentum velocity is neither needed nor touched.  Weight decay is an L2 term
 * in the gradient; it is added after clipping.  It takes the flat blocks of
 * core/params.h, each group in one pass (kernels/optimiser/optimiser.h), and keeps
 * velocity in moment1:
 *     tern_sgd(ctx, blocks, scale, (tern_sgd_opts){ .lr = 0.1, .momentum = 0.9 });
 *
 * Cost: 8 FLOPs per element; reads 3 blocks, writes 2.
 * Errors: TERN_ERR_SHAPE if the blocks differ in size; TERN_ERR_ARGUMENT if momentum
 * has no velocity; TERN_ERR_OPTION if nesterov has no momentum.
 */
#ifndef TERN_KERNELS_SGD_H
#define TERN_KERNELS_SGD_H

#include "kernels/optimiser/optimiser.h"

typedef struct tern_sgd_opts {
    double lr;           /* of this step                          */
    double momentum;     /* how much of velocity stays; default 0 */
    double weight_decay; /* default 0                             */
    bool nesterov;       /* look ahead by one step of momentum    */
} tern_sgd_opts;

extern const tern_op tern_op_sgd;

/* The op's inputs. */
enum { SGD_VALUE, SGD_GRAD, SGD_VELOCITY, SGD_SCALE, SGD_INPUTS };

void tern_sgd(tern_ctx *ctx, const tern_param_blocks *blocks, tern_tensor *scale,
              tern_sgd_opts opts);

#endif
