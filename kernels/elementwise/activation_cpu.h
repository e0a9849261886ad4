/* Activations on SIMD vectors, for the cpu kernels that fuse them: linear, conv2d,
 * elementwise.  The same definitions as tern_activate_ref, in float32. */
#ifndef TERN_KERNELS_ELEMENTWISE_ACTIVATION_CPU_H
#define TERN_KERNELS_ELEMENTWISE_ACTIVATION_CPU_H

#include "core/vmath.h"
#include "kernels/elementwise/activation.h"

static inline tern_vf tern_vactivate(tern_activation activation, tern_vf x)
{
    switch (activation) {
    case TERN_ACT_RELU: return tern_select(x < 0, (tern_vf){ 0 }, x); /* keeps NaN */
    case TERN_ACT_GELU: return tern_vgelu(x);
    case TERN_ACT_SIGMOID: return tern_vsigmoid(x);
    case TERN_ACT_TANH: return tern_vtanh(x);
    case TERN_ACT_NONE: break;
    }
    return x;
}

/* The derivative, from what was kept. */
static inline tern_vf tern_vactivation_slope(tern_activation activation, tern_vf kept)
{
    switch (activation) {
    case TERN_ACT_RELU: return tern_select(kept > 0, tern_splat(1.0f), (tern_vf){ 0 });
    case TERN_ACT_GELU: return tern_vgelu_slope(kept);
    case TERN_ACT_SIGMOID: return kept * (1.0f - kept);
    case TERN_ACT_TANH: return 1.0f - kept * kept;
    case TERN_ACT_NONE: break;
    }
    return tern_splat(1.0f);
}

/* Output 0 once more from what was saved. */
void TERN_LEVEL(tern_activation_restore)(tern_call *call);

#endif
