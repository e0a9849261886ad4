/* Kernels that work on whole rows of a matrix [rows, width]: softmax, normalisations.
 *
 * A row is the work of one group of threads: a warp where rows are short (8 rows a block), 256
 * threads where they are long.  A thread takes every GROUP-th quad:
 *
 *     row r   | 0 0 0 0 | 1 1 1 1 | 2 2 2 2 | ... | 31 31 31 31 | 0 0 0 0 | ...
 *               one 16-byte access of one lane, where rows are aligned to that
 *
 * The kernel is a template of GROUP; its row is tern_group_row(), and a whole group leaves
 * where there is none.
 */
#ifndef TERN_KERNELS_CUDA_ROWS_CUH
#define TERN_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/quad.cuh"
#include "kernels/cuda/reduce.cuh"

constexpr int TERN_ROW_BLOCK = 256;          /* threads */
constexpr int64_t TERN_LONG_ROW = 1024;      /* beyond this a row gets a whole block */

static __device__ __forceinline__ int64_t tern_group_row()
{
    return (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
}

template <typename Job, void (*WARP_KERNEL)(Job), void (*BLOCK_KERNEL)(Job)>
static void tern_launch_rows(tern_call *call, const char *name, int64_t rows, int64_t width,
                             const Job &job)
{
    constexpr int ROWS = TERN_ROW_BLOCK / TERN_WARP;
    if (width <= TERN_LONG_ROW)
        tern_launch(call, name, WARP_KERNEL, { tern_blocks(rows, ROWS), dim3(TERN_WARP, ROWS) },
                    job);
    else
        tern_launch(call, name, BLOCK_KERNEL, { tern_blocks(rows, 1), TERN_ROW_BLOCK }, job);
}

#endif
