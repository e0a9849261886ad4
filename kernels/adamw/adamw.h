/* One step of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), as in PyTorch.
 *
 *   g       = scale * grad[i]
 *   value  *= 1 - lr * weight_decay
 *   moment1 = beta1 moment1 + (1 - beta1) g
 *   moment2 = beta2 moment2 + (1 - beta2) g^2
 *   value  -= lr / (1 - beta1^step) * moment1 / (sqrt(moment2 / (1 - beta2^step)) + eps)
 *
 *   value, moment1, moment2  [n]  changed in place
 *   grad                     [n]
 *   scale                    []   or [1]: tern_grad_norm's second output; NULL for 1
 *
 * It takes the flat blocks of core/params.h, and each group in one pass
 * (kernels/optimiser/optimiser.h):
 *     tern_tensor *scale;
 *     tern_grad_norm(ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = 1 });
 *     tern_adamw(ctx, blocks, scale, (tern_adamw_opts){ .lr = 1e-3, .step = step });
 * Zero padding stays zero.
 *
 * Cost: 15 FLOPs per element; reads 4 blocks, writes 3.
 * Errors: TERN_ERR_SHAPE if the blocks differ in size; TERN_ERR_OPTION if step is not
 * given.
 */
#ifndef TERN_KERNELS_ADAMW_H
#define TERN_KERNELS_ADAMW_H

#include "kernels/optimiser/optimiser.h"

TERN_API_BEGIN

typedef struct tern_adamw_opts {
    double lr;           /* of this step; 0 moves only the moments       */
    double beta1, beta2; /* defaults 0.9 and 0.999                       */
    bool has_beta1, has_beta2; /* they were given, even if they are 0    */
    double eps;          /* default 1e-8                                 */
    double weight_decay; /* default 0                                    */
    int64_t step;        /* 1 for the first; there is no default         */
} tern_adamw_opts;

extern const tern_op tern_op_adamw;

void tern_adamw(tern_ctx *ctx, const tern_param_blocks *blocks, tern_tensor *scale,
                tern_adamw_opts opts);

/* What is the same for all elements of a step; for backends. */
typedef struct tern_adamw_factors {
    double shrink;       /* lr * weight_decay                   */
    double rate1, rate2; /* 1 - beta1, 1 - beta2                */
    double step_size;    /* lr / (1 - beta1^step)               */
    double root2;        /* sqrt(1 - beta2^step)                */
} tern_adamw_factors;
tern_adamw_factors tern_adamw_prepare(const tern_adamw_opts *opts);

TERN_API_END

#endif
