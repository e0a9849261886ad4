/* Transposing squares of SIMD vectors, for kernels that pack a matrix by columns, and summing
 * the rows of one. */
#ifndef TERN_CORE_TRANSPOSE_H
#define TERN_CORE_TRANSPOSE_H

#include "core/simd.h"

#if defined(__AVX512F__)
#define TERN_INTERLEAVE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define TERN_INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define TERN_INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define TERN_INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define TERN_INTERLEAVE_LOW 0, 4, 1, 5
#define TERN_INTERLEAVE_HIGH 2, 6, 3, 7
#endif

/* to[j * to_stride + i] = from[i * from_stride + j] for i, j < TERN_LANES.
 *
 * Interleaving the upper half of the rows with the lower half rotates the bits of
 * (row, column) by one; after log2(TERN_LANES) rounds row and column have changed
 * places. */
static inline void tern_transpose_square(const float *from, int64_t from_stride, float *to,
                                         int64_t to_stride)
{
    tern_vf rows[TERN_LANES], next[TERN_LANES];

    for (int i = 0; i < TERN_LANES; i++)
        rows[i] = tern_load(from + i * from_stride);
    for (int round = 1; round < TERN_LANES; round *= 2) {
        for (int i = 0; i < TERN_LANES / 2; i++) {
            tern_vf a = rows[i], b = rows[i + TERN_LANES / 2];
            next[2 * i] = __builtin_shufflevector(a, b, TERN_INTERLEAVE_LOW);
            next[2 * i + 1] = __builtin_shufflevector(a, b, TERN_INTERLEAVE_HIGH);
        }
        for (int i = 0; i < TERN_LANES; i++)
            rows[i] = next[i];
    }
    for (int i = 0; i < TERN_LANES; i++)
        tern_store(to + i * to_stride, rows[i]);
}

/* Rows i and i + half, as above, and what that brings side by side is added. */
static inline __attribute__((always_inline)) void tern_add_halves(tern_vf *row, const int half)
{
    TERN_UNROLL for (int i = 0; i < half; i++) {
        tern_vf a = row[i], b = row[i + half];
        row[i] = __builtin_shufflevector(a, b, TERN_INTERLEAVE_LOW) +
                 __builtin_shufflevector(a, b, TERN_INTERLEAVE_HIGH);
    }
}

/* Lane i is tern_hsum(row[i]), to the bit, of TERN_LANES rows, which are overwritten.
 *
 * Each round halves the rows; all of them take less than a quarter of as many tern_hsum. */
static inline tern_vf tern_hsum_rows(tern_vf *row)
{
    if (TERN_LANES >= 16)
        tern_add_halves(row, 8);
    if (TERN_LANES >= 8)
        tern_add_halves(row, 4);
    tern_add_halves(row, 2);
    tern_add_halves(row, 1);
    return row[0];
}

#endif
