/* Activations in CUDA kernels that fuse them: the same definitions as
 * tern_activate_ref, in float32. */
#ifndef TERN_KERNELS_ELEMENTWISE_ACTIVATION_CUH
#define TERN_KERNELS_ELEMENTWISE_ACTIVATION_CUH

#include "core/smath.h"
#include "kernels/cuda/cuda.h"
#include "kernels/elementwise/activation.h"

static __device__ __forceinline__ float tern_activate(tern_activation activation, float x)
{
    switch (activation) {
    case TERN_ACT_RELU: return x < 0 ? 0 : x; /* keeps NaN */
    case TERN_ACT_GELU: return tern_geluf(x);
    case TERN_ACT_SIGMOID: return tern_sigmoidf(x);
    case TERN_ACT_TANH: return tern_tanhf(x);
    case TERN_ACT_NONE: break;
    }
    return x;
}

/* dy/dx, from the value before the activation x (used for gelu only) and the result y
 * (used for all others). */
static __device__ __forceinline__ float tern_activation_slope(tern_activation activation, float x,
                                                              float y)
{
    switch (activation) {
    case TERN_ACT_RELU: return y > 0 ? 1 : 0;
    case TERN_ACT_GELU: return tern_gelu_slopef(x);
    case TERN_ACT_SIGMOID: return y * (1.0f - y);
    case TERN_ACT_TANH: return 1.0f - y * y;
    case TERN_ACT_NONE: break;
    }
    return 1.0f;
}

#endif
