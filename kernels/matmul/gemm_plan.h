/* How a product is computed: what is packed, and the tasks for the threads; see gemm_cpu.c
 * for the whole picture.  All of it follows from the problem's sizes and flags, nothing
 * from the number of threads. */
#ifndef TERN_KERNELS_GEMM_PLAN_H
#define TERN_KERNELS_GEMM_PLAN_H

#include "kernels/matmul/gemm.h"
#include "kernels/matmul/gemm_pack.h"

/* Steps along k between two passes over C: 8 rows of A are then 16 KiB, four panels of B
 * 384 KiB (with AVX-512). */
enum { TERN_GEMM_K_BLOCK = 512 };

typedef struct tern_gemm_plan {
    const tern_gemm *gemm;
    int64_t batch;  /* at least 1 */
    int64_t panels; /* of B */

    bool pack_all, pack_last; /* panels that are packed before the tasks run          */
    int64_t packs;            /* one for all, or one for each index of the batch      */

    /* A task is block_rows rows x block_panels panels of C, along chunk_k steps of k. */
    int64_t block_rows, block_panels, row_blocks, panel_blocks;
    int64_t chunks, chunk_k;

    /* Scratch, in floats: the packs, then the chunks' partial products [batch, chunks, m, n]. */
    int64_t pack_size, partials_at, total;
} tern_gemm_plan;

tern_gemm_plan TERN_LEVEL(tern_gemm_make_plan)(const tern_gemm *gemm);

static inline int64_t tern_at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
