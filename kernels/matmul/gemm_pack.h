/* The order in which GEMM's inner loop reads B; see gemm_pack_cpu.c. */
#ifndef TERN_KERNELS_GEMM_PACK_H
#define TERN_KERNELS_GEMM_PACK_H

#include <stdbool.h>

#include "kernels/matmul/gemm_tile.h"

/* Columns of a panel as stored: whole vectors, the last one filled up with zeros. */
static inline int64_t tern_panel_width(int64_t columns)
{
    return (columns + TERN_LANES - 1) / TERN_LANES * TERN_LANES;
}

/* Pack columns [0, columns) of B [k, columns], columns <= TERN_TILE_COLUMNS, into one
 * panel [k, tern_panel_width(columns)].  B as in tern_gemm. */
void TERN_LEVEL(tern_pack_panel)(int64_t k, int64_t columns, const float *b, int64_t b_stride,
                                 bool b_transposed, float *panel);

#endif
