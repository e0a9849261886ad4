/* What softmax and log_softmax have in common: x [..., D] and its mask. */
#ifndef TERN_KERNELS_SOFTMAX_ROWS_H
#define TERN_KERNELS_SOFTMAX_ROWS_H

#include "core/op.h"

/* The shape rule of their contracts, and their samples. */
void tern_softmax_shape(tern_call *call);
extern const tern_sample tern_softmax_samples[];

#endif
