/* Exponential moving average of weights (Polyak & Juditsky 1992; as PyTorch's
 * torch.optim.swa_utils.get_ema_multi_avg_fn).
 *
 *   average[i] += (1 - decay) * (value[i] - average[i])
 *
 *   average  [...]  changed in place
 *   value    [...]  the same shape
 *
 * The average of a training run, which is often better than its last weights, starts
 * as a copy (core/params.h) and is moved after every step of the optimiser; running
 * statistics, which belong to the weights, with it:
 *     tern_average_begin(ctx);
 *     ...
 *     tern_ema(ctx, blocks->average, blocks->value, (tern_ema_opts){ .decay = 0.999 });
 *     tern_ema(ctx, blocks->state_average, blocks->state, (tern_ema_opts){ .decay = 0.999 });
 * The op has no output: its work is the mutation, which a frozen state therefore does
 * not stop.
 *
 * Cost: 3 FLOPs per element; reads 2 blocks, writes 1.
 * Errors: TERN_ERR_SHAPE if the shapes differ.
 */
#ifndef TERN_KERNELS_EMA_H
#define TERN_KERNELS_EMA_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_ema_opts {
    double decay; /* how much of the average stays; default 0.999 */
} tern_ema_opts;

extern const tern_op tern_op_ema;

void tern_ema(tern_ctx *ctx, tern_tensor *average, tern_tensor *value, tern_ema_opts opts);

#endif
