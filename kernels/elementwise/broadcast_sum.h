/* The gradient of an input that was repeated: a sum over the axes of repetition.
 * For *_cpu.c files, compiled at each SIMD level. */
#ifndef TERN_KERNELS_ELEMENTWISE_BROADCAST_SUM_H
#define TERN_KERNELS_ELEMENTWISE_BROADCAST_SUM_H

#include "core/op.h"
#include "core/simd.h"

/* grad (+)= sum of grad_y * factor over the axes on which grad is repeated in
 * grad_y; factor is broadcast to grad_y's shape, NULL stands for ones.
 * workspace: as many bytes as tern_broadcast_sum_bytes says. */
void TERN_LEVEL(tern_broadcast_sum)(tern_ctx *ctx, const tern_tensor *grad_y,
                                    const tern_tensor *factor, tern_tensor *grad, bool accumulate,
                                    void *workspace);
size_t TERN_LEVEL(tern_broadcast_sum_bytes)(const tern_tensor *grad_y, const tern_tensor *factor,
                                            const tern_tensor *grad);

#endif
