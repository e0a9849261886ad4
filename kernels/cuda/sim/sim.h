/* CUDA's language for g++: what a .cu file sees when it is compiled for the CPU
 * simulator instead of by nvcc.
 *
 * Each CUDA thread is a fiber (fiber.h) with a stack of its own; block.cpp draws how
 * they take turns.  Where CUDA has a keyword or a built-in variable there is a macro,
 * where it has an intrinsic there is a function, in which a breakpoint works.  What
 * is missing here does not compile; what cannot be simulated rightly ends the launch
 * with an error.  docs/simulator.md lists both.
 */
#ifndef TERN_KERNELS_CUDA_SIM_SIM_H
#define TERN_KERNELS_CUDA_SIM_SIM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};

struct alignas(16) float4 {
    float x, y, z, w;
};

static inline float4 make_float4(float x, float y, float z, float w)
{
    return { x, y, z, w };
}

/* ------------------------------------------------- where a thread is -- */

struct tern_sim_place {
    uint3 thread, block;
    dim3 block_size, grid_size;
};

/* The CUDA thread that runs now on this thread of the process. */
extern __thread tern_sim_place *tern_sim_here;

#define threadIdx (tern_sim_here->thread)
#define blockIdx (tern_sim_here->block)
#define blockDim (tern_sim_here->block_size)
#define gridDim (tern_sim_here->grid_size)

static const int warpSize = 32;

/* ---------------------------------------------- barriers and shuffles -- */

/* Where in the source a thread waits; the defaults of the functions below are
 * evaluated where they are called. */
struct tern_sim_site {
    const char *operation, *file;
    int line;
};

enum tern_sim_shuffle { TERN_SIM_INDEX, TERN_SIM_UP, TERN_SIM_DOWN, TERN_SIM_XOR };

void tern_sim_wait_block(tern_sim_site site);
void tern_sim_wait_warp(unsigned mask, tern_sim_site site);
/* Give `bits` to the warp and receive those of the lane that kind, operand and width
 * select. */
uint64_t tern_sim_exchange(unsigned mask, uint64_t bits, tern_sim_shuffle kind, int operand,
                           int width, tern_sim_site site);

inline void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    tern_sim_wait_block({ "__syncthreads", file, line });
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, const char *file = __builtin_FILE(),
                       int line = __builtin_LINE())
{
    tern_sim_wait_warp(mask, { "__syncwarp", file, line });
}

template <typename T>
T tern_sim_shuffle_value(unsigned mask, T value, tern_sim_shuffle kind, int operand, int width,
                         tern_sim_site site)
{
    static_assert(std::is_arithmetic<T>::value && sizeof(T) <= sizeof(uint64_t),
                  "a shuffle exchanges numbers of at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = tern_sim_exchange(mask, bits, kind, operand, width, site);
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize,
              const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    return tern_sim_shuffle_value(mask, value, TERN_SIM_INDEX, lane, width,
                                  { "__shfl_sync", file, line });
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    return tern_sim_shuffle_value(mask, value, TERN_SIM_UP, (int)delta, width,
                                  { "__shfl_up_sync", file, line });
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    return tern_sim_shuffle_value(mask, value, TERN_SIM_DOWN, (int)delta, width,
                                  { "__shfl_down_sync", file, line });
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    return tern_sim_shuffle_value(mask, value, TERN_SIM_XOR, lane_mask, width,
                                  { "__shfl_xor_sync", file, line });
}

/* ------------------------------------------------------ shared memory -- */

/* The address of a static shared variable in the block that runs now; `variable` is
 * any address that stands for it. */
void *tern_sim_static_shared(const void *variable, const char *name, size_t bytes);
void *tern_sim_dynamic_shared(void);

/* Shared variables are declared with these macros, which kernels/cuda/cuda.h
 * explains; __shared__ itself is unknown here. */
#define TERN_SHARED(type, name, ...)                                                              \
    typedef type name##_shared __VA_ARGS__;                                                       \
    static const char name##_variable = 0;                                                        \
    name##_shared &name = *static_cast<name##_shared *>(                                          \
        tern_sim_static_shared(&name##_variable, #name, sizeof(name##_shared)))

#define TERN_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(tern_sim_dynamic_shared())

#endif
