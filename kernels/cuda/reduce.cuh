/* Sums and maxima in a fixed order, so that results repeat bit for bit: no atomics.
 *
 * Over a group of threads:
 *
 *   tern_warp_join    lanes join what the lane 16, 8, 4, 2, 1 away holds; all get the result
 *   tern_group_join   warps first, then theirs by way of shared memory
 *   tern_group_sum    the same of sums
 *
 * Down the columns of a matrix, for the gradients of biases and gains, in two stages:
 *
 *      rows of [rows, columns]          partial [strips, columns]        grad [columns]
 *     +----------------------+
 *     | strip 0              |  sum ->  ----------------------  \
 *     +----------------------+
 *     | strip 1              |  sum ->  ----------------------   } sum ->  -----------
 *     +----------------------+
 *     | ...                  |                                  /
 *
 * The op's own kernel does the first stage, as it knows what to add up, one thread for
 * each column of a strip; tern_add_strips does the second.  How rows are cut depends
 * on their number alone.
 */
#ifndef TERN_KERNELS_CUDA_REDUCE_CUH
#define TERN_KERNELS_CUDA_REDUCE_CUH

#include <math.h>

#include "kernels/cuda/cuda.h"

constexpr int TERN_WARP = 32, TERN_COLUMN_THREADS = 128;
constexpr int64_t TERN_STRIP_ROWS = 32, TERN_MOST_STRIPS = 1024;

struct tern_join_sum {
    static __device__ __forceinline__ float start() { return 0; }
    static __device__ __forceinline__ float join(float a, float b) { return a + b; }
};

/* NaN wins. */
struct tern_join_max {
    static __device__ __forceinline__ float start() { return -INFINITY; }
    static __device__ __forceinline__ float join(float a, float b)
    {
        return b > a || b != b ? b : a;
    }
};

template <typename Join> static __device__ __forceinline__ float tern_warp_join(float value)
{
#pragma unroll
    for (int distance = TERN_WARP / 2; distance > 0; distance /= 2)
        value = Join::join(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
    return value;
}

/* Over the GROUP threads of equal threadIdx.y: one warp, or a block of several warps with
 * blockDim = (GROUP, 1).  All of them must call it, and all get the result. */
template <typename Join, int GROUP>
static __device__ __forceinline__ float tern_group_join(float value)
{
    value = tern_warp_join<Join>(value);
    if (GROUP == TERN_WARP)
        return value;
    TERN_SHARED(float, of_warps, [GROUP / TERN_WARP]);
    __syncthreads(); /* those of the call before this have been read */
    if (threadIdx.x % TERN_WARP == 0)
        of_warps[threadIdx.x / TERN_WARP] = value;
    __syncthreads();
    float all = Join::start();
#pragma unroll
    for (int warp = 0; warp < GROUP / TERN_WARP; warp++)
        all = Join::join(all, of_warps[warp]);
    return all;
}

template <int GROUP> static __device__ __forceinline__ float tern_group_sum(float value)
{
    return tern_group_join<tern_join_sum, GROUP>(value);
}

/* ------------------------------------------------------- column sums -- */

/* Rows of a strip: TERN_STRIP_ROWS, or more where that would be too many strips. */
static inline int64_t tern_strip_rows(int64_t rows)
{
    int64_t needed = (rows + TERN_MOST_STRIPS - 1) / TERN_MOST_STRIPS;
    return needed > TERN_STRIP_ROWS ? needed : TERN_STRIP_ROWS;
}

static inline int64_t tern_strips(int64_t rows)
{
    int64_t strip = tern_strip_rows(rows);
    return (rows + strip - 1) / strip;
}

/* Grid of the first stage: blockIdx.x counts columns, blockIdx.y strips. */
static inline tern_grid tern_strip_grid(int64_t rows, int64_t columns)
{
    tern_grid grid = { dim3(tern_blocks(columns, TERN_COLUMN_THREADS), (unsigned)tern_strips(rows)),
                       dim3(TERN_COLUMN_THREADS) };
    return grid;
}

static __global__ void add_strips_kernel(const float *partial, int64_t strips, int64_t columns,
                                         float *grad, bool accumulate)
{
    int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns)
        return;
    float sum = 0;
    for (int64_t strip = 0; strip < strips; strip++)
        sum += partial[strip * columns + column];
    grad[column] = accumulate ? grad[column] + sum : sum;
}

/* grad[column] (+)= sum over strips of partial[strip, column], in their order. */
static inline void tern_add_strips(tern_call *call, const float *partial, int64_t rows,
                                   int64_t columns, float *grad, bool accumulate)
{
    tern_launch(call, "add_strips", add_strips_kernel,
                { tern_blocks(columns, TERN_COLUMN_THREADS), TERN_COLUMN_THREADS }, partial,
                tern_strips(rows), columns, grad, accumulate);
}

#endif
