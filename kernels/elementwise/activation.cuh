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

/* The derivative, from what was kept. */
static __device__ __forceinline__ float tern_activation_slope(tern_activation activation,
                                                              float kept)
{
    switch (activation) {
    case TERN_ACT_RELU: return kept > 0 ? 1 : 0;
    case TERN_ACT_GELU: return tern_gelu_slopef(kept);
    case TERN_ACT_SIGMOID: return kept * (1.0f - kept);
    case TERN_ACT_TANH: return 1.0f - kept * kept;
    case TERN_ACT_NONE: break;
    }
    return 1.0f;
}

#endif
