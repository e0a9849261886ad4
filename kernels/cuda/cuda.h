/* What every .cu file includes.
 *
 * The same source is compiled twice: by nvcc for the device "cuda", and by g++ for
 * "cuda-sim", where fibers of the CPU play the GPU's threads (docs/simulator.md).
 * A .cu file therefore keeps to CUDA's language and these few things in place of its
 * own ways to launch and to declare shared memory:
 *
 *   TERN_SHARED(float, tile, [32][33]);      __shared__ float tile[32][33];
 *   TERN_DYNAMIC_SHARED(float, row);         extern __shared__ float row[];
 *   tern_launch(call, "name", kernel, { blocks, threads, shared_bytes }, arguments...);
 *                                            kernel<<<blocks, threads, ...>>>(arguments...);
 *   tern_allow_shared(call, "name", kernel, bytes);
 *                                            cudaFuncSetAttribute(...)
 *   TERN_CUDA_DEVICE                         "cuda" or "cuda-sim"
 *
 * Both kinds of shared memory are aligned to 16 bytes, for float4.
 *
 * Launches go to the one stream of the call's context, so kernels of one context run
 * one after the other and the host does not wait for them.  A launch that fails sets
 * the context's error (TERN_ERR_DEVICE) and names op, kernel, grid and block; what a
 * kernel does wrong while it runs is reported at once by the simulator, and by a real
 * GPU when the context next waits for it.
 */
#ifndef TERN_KERNELS_CUDA_CUDA_H
#define TERN_KERNELS_CUDA_CUDA_H

#include "core/backend.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define TERN_CUDA_DEVICE "cuda"
#define TERN_SHARED(type, name, ...) __shared__ __align__(16) type name __VA_ARGS__
#define TERN_DYNAMIC_SHARED(type, name)                                                           \
    extern __shared__ float4 tern_dynamic_shared[];                                               \
    type *name = reinterpret_cast<type *>(tern_dynamic_shared)
#else
#include "kernels/cuda/sim/sim.h"
#define TERN_CUDA_DEVICE "cuda-sim"
#endif

struct tern_grid {
    dim3 blocks, threads;
    size_t shared_bytes = 0; /* dynamic */
};

/* Blocks of `size` that cover `items`; more than a grid can have are refused by the
 * launch. */
static inline unsigned tern_blocks(int64_t items, int64_t size)
{
    int64_t blocks = (items + size - 1) / size;
    return blocks < (int64_t)UINT32_MAX ? (unsigned)blocks : UINT32_MAX;
}

/* A float32 tensor's values; NULL for one that is not there. */
static inline float *tern_floats(const tern_tensor *tensor)
{
    return tensor ? static_cast<float *>(tensor->data) : NULL;
}

/* An op's line in a .cu file: its functions, and its workspace in bytes or NULL. */
#define TERN_CUDA_IMPL_WITH(name, forward, backward, forward_bytes, backward_bytes)               \
    extern "C" {                                                                                  \
    extern const tern_impl tern_##name##_cuda;                                                    \
    const tern_impl tern_##name##_cuda = {                                                        \
        #name,    TERN_CUDA_DEVICE, "hand",        forward,                                       \
        backward, NULL,             forward_bytes, backward_bytes,                                \
        NULL, /* packs */ NULL, /* flags */ NULL, /* executed_flops */                            \
    };                                                                                            \
    }
#define TERN_CUDA_IMPL(name, forward, backward)                                                   \
    TERN_CUDA_IMPL_WITH(name, forward, backward, NULL, NULL)

/* Memory functions of the device; defined by backend.cu and sim/backend.cpp. */
extern "C" {
extern const tern_backend tern_cuda_backend;
}

/* template <typename... Parameters, typename... Arguments>
 * bool tern_launch(tern_call *call, const char *name, void (*kernel)(Parameters...),
 *                  const tern_grid &grid, Arguments... arguments);
 *     Nothing happens for a grid of no blocks.  False: the context has an error.
 *
 * template <typename... Parameters>
 * bool tern_allow_shared(tern_call *call, const char *name, void (*kernel)(Parameters...),
 *                        size_t bytes);
 *     Let a kernel have more than 48 KiB of shared memory. */
#ifdef __CUDACC__
#include "kernels/cuda/launch.h"
#else
#include "kernels/cuda/sim/launch.h"
#endif

#endif
