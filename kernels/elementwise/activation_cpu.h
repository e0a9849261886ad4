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

/* dy/dx, from the value before the activation x (read for gelu only; pass anything
 * otherwise) and the result y (read for all others). */
static inline tern_vf tern_vactivation_slope(tern_activation activation, tern_vf x, tern_vf y)
{
    switch (activation) {
    case TERN_ACT_RELU: return tern_select(y > 0, tern_splat(1.0f), (tern_vf){ 0 });
    case TERN_ACT_GELU: return tern_vgelu_slope(x);
    case TERN_ACT_SIGMOID: return y * (1.0f - y);
    case TERN_ACT_TANH: return 1.0f - y * y;
    case TERN_ACT_NONE: break;
    }
    return tern_splat(1.0f);
}

#endif
