/* Packing for GEMM: B is copied once into the order in which the inner loop (gemm_tile.h)
 * reads it, so that it walks through memory without gaps.
 *
 * B [k,n] becomes panels of TERN_TILE_COLUMNS columns, one after the other, each row by
 * row; the last panel is as wide as its whole vectors:
 *
 *     column  0 .......... 47 48 ......... 95 96 ... 99 0 0 0
 *            +---------------+---------------+-------------+
 *     p = 0  | 0 1 2 ...     | 48k ...       | 96k ...     |    numbers: place in
 *     p = 1  | 48 49 ...     | 48k + 48 ...  |             |    the packed memory
 *            +---------------+---------------+-------------+
 *
 * That costs a read and a write per element; the product then uses each m times, so it
 * vanishes for large m.  A is never packed: a strip of it stays in L1 while it meets
 * many panels, in whatever order it lies (measured: faster than packing even for a
 * transposed A with 16 KiB from one step along k to the next).
 */
#include "kernels/matmul/gemm_pack.h"

#include "core/transpose.h"
#include "kernels/matmul/gemm.h"

enum { ROWS_AHEAD = 16 };

/* One vector of columns of a transposed B: b[j * b_stride + p] to panel[p * width + j]. */
static void pack_transposed_columns(int64_t k, int64_t columns, const float *b, int64_t b_stride,
                                    float *panel, int64_t width)
{
    int64_t p = 0;
    if (columns == TERN_LANES)
        for (; p + TERN_LANES <= k; p += TERN_LANES)
            tern_transpose_square(b + p, b_stride, panel + p * width, width);
    for (; p < k; p++)
        for (int64_t j = 0; j < TERN_LANES; j++)
            panel[p * width + j] = j < columns ? b[j * b_stride + p] : 0;
}

/* A row of the panel at a time: rows of B lie on pages of their own, where nothing but this
 * prefetch looks ahead. */
static void pack_rows(int64_t k, int64_t columns, const float *b, int64_t b_stride, float *panel)
{
    for (int64_t p = 0; p < k; p++, b += b_stride)
        for (int64_t j = 0; j < columns; j += TERN_LANES, panel += TERN_LANES) {
            __builtin_prefetch(b + ROWS_AHEAD * b_stride + j);
            tern_store(panel, tern_load_part(b + j, columns - j));
        }
}

void TERN_LEVEL(tern_pack_panel)(int64_t k, int64_t columns, const float *b, int64_t b_stride,
                                 bool b_transposed, float *panel)
{
    int64_t width = tern_panel_width(columns);

    if (!b_transposed)
        pack_rows(k, columns, b, b_stride, panel);
    for (int64_t j = 0; b_transposed && j < width; j += TERN_LANES)
        pack_transposed_columns(k, columns - j < TERN_LANES ? columns - j : TERN_LANES,
                                b + j * b_stride, b_stride, panel + j, width);
}

size_t TERN_LEVEL(tern_gemm_packed_bytes)(int64_t k, int64_t n)
{
    return (size_t)(k * tern_panel_width(n)) * sizeof(float);
}

typedef struct pack_job {
    int64_t k, n;
    const float *b;
    int64_t b_stride;
    bool b_transposed;
    float *packed;
} pack_job;

static void pack_one_panel(void *argument, int64_t panel, int worker)
{
    const pack_job *job = argument;
    int64_t j = panel * TERN_TILE_COLUMNS;
    int64_t columns = job->n - j < TERN_TILE_COLUMNS ? job->n - j : TERN_TILE_COLUMNS;

    (void)worker;
    TERN_LEVEL(tern_pack_panel)(job->k, columns,
                                job->b + j * (job->b_transposed ? job->b_stride : 1),
                                job->b_stride, job->b_transposed, job->packed + j * job->k);
}

void TERN_LEVEL(tern_gemm_pack_b)(tern_pool *pool, int64_t k, int64_t n, const float *b,
                                  int64_t b_stride, bool b_transposed, float *packed)
{
    pack_job job = { k, n, b, b_stride, b_transposed, packed };
    tern_parallel(pool, (n + TERN_TILE_COLUMNS - 1) / TERN_TILE_COLUMNS, pack_one_panel, &job);
}
