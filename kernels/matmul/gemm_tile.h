/* The inner loop of GEMM: a small tile of C kept in registers.
 *
 *                  b: vectors * TERN_LANES columns
 *                     +--+--+--+
 *                  p  |  |  |  |      for each p: load the row of b (1 to 3 vectors),
 *                     +--+--+--+      broadcast one number of a for each row,
 *       a:  p         +--+--+--+      multiply and add into the accumulators
 *     rows |x|        |  |  |  |
 *    1 to 8|x|        |  |  |  |   <- the accumulators: at most 8 x 3 vectors, which with
 *          |x|        |  |  |  |      a row of b fill the 32 registers of AVX-512
 *
 * Eight rows of three vectors load 3 + 8 operands for 24 multiply-adds, so the loads
 * (two a cycle) hide behind the arithmetic (two a cycle).  a is read where it lies,
 * row by row or packed: any pair of strides does.
 *
 */
#ifndef TERN_KERNELS_GEMM_TILE_H
#define TERN_KERNELS_GEMM_TILE_H

#include "core/simd.h"

/* 16 registers below AVX-512: 6 x 2 accumulators leave room for two vectors of b, one
 * broadcast and, without fused multiply-add, one product. */
enum {
    TERN_TILE_ROWS = TERN_LANES == 16 ? 8 : 6,
    TERN_TILE_VECTORS = TERN_LANES == 16 ? 3 : 2,
    TERN_TILE_COLUMNS = TERN_TILE_VECTORS * TERN_LANES
};

/* One block of rows times a row of panels of b, side by side in C. */
typedef struct tern_tile {
    int64_t k;
    const float *a;
    int64_t a_row, a_k;  /* strides of a from row to row and along k              */
    const float *b;
    int64_t b_k;         /* stride of b along k                                   */
    int64_t panels, b_panel; /* how many, and the stride of b between them        */
    const float *start;  /* what the sums start from: NULL for 0, else            */
    int64_t start_row;   /*   start[i * start_row + j]: 0 for a bias, or C itself */
    float *c;
    int64_t c_row;
} tern_tile;

/* rows in [1, TERN_TILE_ROWS], vectors in [1, TERN_TILE_VECTORS] for every panel. */
void TERN_LEVEL(tern_tile_run)(int rows, int vectors, const tern_tile *tile);

#endif
