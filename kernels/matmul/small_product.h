/* The product of small matrices that already lie in L1 or L2, on one thread and
 * without packing: what LSTM steps and attention blocks are made of.
 *
 *   C[i,j] = (accumulate ? C[i,j] : 0) + sum_p A[i,p] * B[p,j]
 *
 *   A  A[i,p] is at a[i * a_stride + p * a_depth_stride]: any layout, transposed too
 *   B  B[p,j] is at b[p * b_stride + j]
 *   C  C[i,j] is at c[i * c_stride + j]
 *   columns is a multiple of TERN_LANES; callers pad B and C.
 *
 * C is cut into register tiles; each runs over the whole depth, adding up in order
 * of p, so that an element's bits do not depend on where its tile begins:
 *
 *         B  p ->  [ v0 v1 v2 v3 ]      one row of up to four vectors
 *     A  a0        [ .  .  .  .  ]
 *        a1        [ .  C tile.  ]      up to sixteen sums in registers
 *        a2        [ .  .  .  .  ]
 *        a3        [ .  .  .  .  ]
 */
#ifndef TERN_KERNELS_SMALL_PRODUCT_H
#define TERN_KERNELS_SMALL_PRODUCT_H

#include "core/simd.h"

#include <stdbool.h>

typedef struct tern_small_product {
    int64_t rows, columns, depth;
    const float *a, *b;
    float *c;
    int64_t a_stride, a_depth_stride, b_stride, c_stride;
    bool accumulate;
} tern_small_product;

/* Vectors in a full tile: AVX-512 has 32 registers, the others 16. */
enum { TERN_SMALL_VECTORS = TERN_LANES == 16 ? 4 : 2, TERN_SMALL_ROWS = 4 };

/* Inlined with constant rows and vectors, so that `sum` lives in registers. */
__attribute__((always_inline)) static inline void
tern_small_tile(const tern_small_product *product, int64_t row, int64_t column, const int rows,
                const int vectors)
{
    const float *a = product->a + row * product->a_stride, *b = product->b + column;
    float *c = product->c + row * product->c_stride + column;
    int64_t a_stride = product->a_stride, c_stride = product->c_stride;
    tern_vf sum[TERN_SMALL_ROWS][TERN_SMALL_VECTORS];

    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = product->accumulate ? tern_load(c + i * c_stride + v * TERN_LANES)
                                            : (tern_vf){ 0 };
    for (int64_t p = 0; p < product->depth; p++) {
        tern_vf b_row[TERN_SMALL_VECTORS];
        for (int v = 0; v < vectors; v++)
            b_row[v] = tern_load(b + v * TERN_LANES);
        for (int i = 0; i < rows; i++) {
            tern_vf factor = tern_splat(a[i * a_stride]);
            for (int v = 0; v < vectors; v++)
                sum[i][v] += factor * b_row[v];
        }
        a += product->a_depth_stride;
        b += product->b_stride;
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            tern_store(c + i * c_stride + v * TERN_LANES, sum[i][v]);
}

/* All rows of one panel of columns. */
__attribute__((always_inline)) static inline void
tern_small_panel(const tern_small_product *product, int64_t column, const int vectors)
{
    int64_t row = 0, rows = product->rows;
    for (; row + 4 <= rows; row += 4)
        tern_small_tile(product, row, column, 4, vectors);
    if (row + 2 <= rows) {
        tern_small_tile(product, row, column, 2, vectors);
        row += 2;
    }
    if (row < rows)
        tern_small_tile(product, row, column, 1, vectors);
}

static inline void tern_small_product_run(const tern_small_product *product)
{
    int64_t column = 0, columns = product->columns;
    for (; column + TERN_SMALL_VECTORS * TERN_LANES <= columns;
         column += TERN_SMALL_VECTORS * TERN_LANES)
        tern_small_panel(product, column, TERN_SMALL_VECTORS);
    if (TERN_SMALL_VECTORS > 2 && column + 2 * TERN_LANES <= columns) {
        tern_small_panel(product, column, 2);
        column += 2 * TERN_LANES;
    }
    if (column < columns)
        tern_small_panel(product, column, 1);
}

#endif
