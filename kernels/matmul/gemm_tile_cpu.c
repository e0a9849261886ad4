/* GEMM's inner loop; gemm_tile.h draws it.
 *
 * Every size of tile is an instance of one inlined body whose loops have constant
 * limits: only then do compilers keep the array of accumulators in registers.
 */
#include "kernels/matmul/gemm_tile.h"

/* What the processor does not foresee is fetched ahead: rows of C, which are far apart, while
 * their sums are made; and of a transposed A a line for each p, often on a page of its own. */
enum { FOR_WRITING = 1, STEPS_AHEAD = 32 };

/* gcc unrolls loops inside of another loop early enough to make registers of the
 * accumulators throughout; without the loop over panels they would go through memory
 * before and after the loop over k. */
static inline __attribute__((always_inline)) void tile_body(const int rows, const int vectors,
                                                            const tern_tile *tile)
{
    const int64_t a_row = tile->a_row, a_k = tile->a_k, b_k = tile->b_k, c_row = tile->c_row;
    const int64_t start_row = tile->start_row;
    const int64_t ahead = a_row == 1 ? STEPS_AHEAD * a_k : 0;
    const float *start = tile->start;
    float *c = tile->c;

    for (int64_t panel = 0; panel < tile->panels; panel++) {
        tern_vf sum[TERN_TILE_ROWS][TERN_TILE_VECTORS], row[TERN_TILE_VECTORS];
        const float *a = tile->a, *b = tile->b + panel * tile->b_panel;

        for (int i = 0; i < rows; i++)
            for (int j = 0; j < vectors; j++)
                __builtin_prefetch(c + i * c_row + j * TERN_LANES, FOR_WRITING);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < vectors; j++)
                sum[i][j] = start ? tern_load(start + i * start_row + j * TERN_LANES)
                                  : (tern_vf){ 0 };
        for (int64_t p = tile->k; p > 0; p--, a += a_k, b += b_k) {
            __builtin_prefetch(a + ahead);
            for (int j = 0; j < vectors; j++)
                row[j] = tern_load(b + j * TERN_LANES);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < vectors; j++)
                    sum[i][j] += tern_splat(a[i * a_row]) * row[j];
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < vectors; j++)
                tern_store(c + i * c_row + j * TERN_LANES, sum[i][j]);
        c += vectors * TERN_LANES;
        start += start ? vectors * TERN_LANES : 0;
    }
}

static inline __attribute__((always_inline)) void tile_rows(const int rows, int vectors,
                                                            const tern_tile *tile)
{
#if defined(__AVX512F__)
    if (vectors == 3) {
        tile_body(rows, 3, tile);
        return;
    }
#endif
    if (vectors == 2)
        tile_body(rows, 2, tile);
    else
        tile_body(rows, 1, tile);
}

void TERN_LEVEL(tern_tile_run)(int rows, int vectors, const tern_tile *tile)
{
    switch (rows) {
    case 1: tile_rows(1, vectors, tile); break;
    case 2: tile_rows(2, vectors, tile); break;
    case 3: tile_rows(3, vectors, tile); break;
    case 4: tile_rows(4, vectors, tile); break;
    case 5: tile_rows(5, vectors, tile); break;
#if defined(__AVX512F__)
    case 7: tile_rows(7, vectors, tile); break;
    case 8: tile_rows(8, vectors, tile); break;
#endif
    default: tile_rows(6, vectors, tile); break;
    }
}
