/* One step of Adam (Kingma & Ba 2015, arXiv:1412.6980), as torch.optim.Adam.
 *
 *   g       = scale * grad[i] + weight_decay * value
 *   moment1 = beta1 moment1 + (1 - beta1) g
 *   moment2 = beta2 moment2 + (1 - beta2) g^2
 *   value  -= lr / (1 - beta1^step) * moment1 / (sqrt(moment2 / (1 - beta2^step)) + eps)
 *
 * adamw.h says what the tensors and options are.  All that differs is where weight
 * decay goes: here it is an L2 term in the gradient (added after clipping) and so
 * passes through the moments, which weakens it where gradients are large.
 *
 * Cost: 16 FLOPs per element; reads 4 blocks, writes 3.
 */
#ifndef TERN_KERNELS_ADAM_H
#define TERN_KERNELS_ADAM_H

#include "kernels/adamw/adamw.h"

extern const tern_op tern_op_adam;

void tern_adam(tern_ctx *ctx, const tern_param_blocks *blocks, tern_tensor *scale,
               tern_adamw_opts opts);

#endif
