/* What masked_mean and masked_max have in common: sequences x [N,T,D], and a mask [N,T]
 * that says which steps are valid, or none when all are. */
#ifndef TERN_KERNELS_MASKED_STEPS_H
#define TERN_KERNELS_MASKED_STEPS_H

#include "core/op.h"

/* The shape rule of their contracts: y is [N,D]. */
void tern_masked_steps_shape(tern_call *call);

/* Step t of sequence n; backward may ask only where the contract reads the mask. */
static inline bool tern_step_is_valid(const tern_call *call, int64_t n, int64_t t)
{
    const uint8_t *mask = call->in[1] ? call->in[1]->data : NULL;
    return !mask || mask[n * call->in[0]->shape[1] + t];
}

#endif
