/* Four consecutive floats of a row at once: one 16-byte access where the row begins on
 * a 16-byte boundary and all four are inside it, else one by one.
 *
 * A warp whose lanes take neighbouring quads moves 512 bytes with one instruction.
 */
#ifndef TERN_KERNELS_CUDA_QUAD_CUH
#define TERN_KERNELS_CUDA_QUAD_CUH

#include "kernels/cuda/cuda.h"

/* Rows of `stride` floats that begin at `data` all begin on 16-byte boundaries. */
static inline bool tern_quads_fit(const void *data, int64_t stride)
{
    return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % 4 == 0;
}

/* row[at .. at+3]; what is not before `end` is `fill`. */
template <typename Index>
static __device__ __forceinline__ float4 tern_load_quad(const float *row, Index at, Index end,
                                                        bool aligned, float fill)
{
    if (aligned && at + 4 <= end)
        return *reinterpret_cast<const float4 *>(row + at);
    float4 quad = make_float4(fill, fill, fill, fill);
    if (at < end)
        quad.x = row[at];
    if (at + 1 < end)
        quad.y = row[at + 1];
    if (at + 2 < end)
        quad.z = row[at + 2];
    if (at + 3 < end)
        quad.w = row[at + 3];
    return quad;
}

template <typename Index>
static __device__ __forceinline__ void tern_store_quad(float *row, Index at, Index end,
                                                       bool aligned, float4 quad)
{
    if (aligned && at + 4 <= end) {
        *reinterpret_cast<float4 *>(row + at) = quad;
        return;
    }
    if (at < end)
        row[at] = quad.x;
    if (at + 1 < end)
        row[at + 1] = quad.y;
    if (at + 2 < end)
        row[at + 2] = quad.z;
    if (at + 3 < end)
        row[at + 3] = quad.w;
}

static __device__ __forceinline__ float4 tern_add_quads(float4 a, float4 b)
{
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/* A gradient: written, or added to what is there. */
template <typename Index>
static __device__ __forceinline__ void tern_put_quad(float *row, Index at, Index end, bool aligned,
                                                     float4 quad, bool accumulate)
{
    if (accumulate)
        quad = tern_add_quads(tern_load_quad(row, at, end, aligned, 0.0f), quad);
    tern_store_quad(row, at, end, aligned, quad);
}

#endif
