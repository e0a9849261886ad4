/* GEMM through OpenBLAS: C in tiles, each one call of cblas_sgemm on one thread, then bias,
 * activation and the value before it in a pass over the tile.  As many tiles as threads at
 * least, or it would be compared with one hand on its back; so bits depend on the threads. */
#include "kernels/matmul/openblas.h"

#include "kernels/elementwise/activation_cpu.h"

/* OpenBLAS packs A and B anew for every tile, so tiles are large: at most so many rows or
 * columns, of which those that threads share are multiples of STEP. */
enum { LARGEST = 512, STEP = 16 };

typedef struct tiling {
    const tern_gemm *gemm;
    tern_sgemm_fn sgemm;
    int64_t rows, columns; /* of a tile           */
    int64_t across, down;  /* tiles in a row of C, in a column */
} tiling;

/* What each of the threads gets of a length, at most LARGEST. */
static int64_t share(int64_t length, int64_t threads)
{
    int64_t each = ((length + threads - 1) / threads + STEP - 1) / STEP * STEP;
    return each < 1 ? 1 : each < LARGEST ? each : LARGEST;
}

static tiling tiling_of(const tern_gemm *gemm, int64_t threads)
{
    int64_t batch = gemm->batch > 0 ? gemm->batch : 1;
    int64_t parts = (threads + batch - 1) / batch; /* of one index of the batch */
    bool by_rows = gemm->m >= gemm->n;
    tiling t = { .gemm = gemm, .sgemm = tern_openblas_sgemm(NULL),
                 .rows = share(gemm->m, by_rows ? parts : 1),
                 .columns = share(gemm->n, by_rows ? 1 : parts) };
    t.across = (gemm->n + t.columns - 1) / t.columns;
    t.down = (gemm->m + t.rows - 1) / t.rows;
    return t;
}

static void finish_row(const tern_gemm *gemm, float *c, int64_t j, int64_t columns)
{
    float *before = gemm->before ? gemm->before + (c - gemm->c) : NULL;

    for (int64_t v = 0; v < columns; v += TERN_LANES) {
        tern_vf value = tern_load_part(c + v, columns - v);
        if (gemm->bias)
            value += tern_load_part(gemm->bias + j + v, columns - v);
        if (before)
            tern_store_part(before + v, value, columns - v);
        tern_store_part(c + v, tern_vactivate(gemm->activation, value), columns - v);
    }
}

/* BLAS wants strides above 0 even where there is nothing. */
static int blas_stride(int64_t stride)
{
    return stride > 0 ? (int)stride : 1;
}

static void run_tile(void *argument, int64_t tile, int worker)
{
    const tiling *t = argument;
    const tern_gemm *g = t->gemm;
    int64_t batch = tile / t->across / t->down;
    int64_t i = tile / t->across % t->down * t->rows, j = tile % t->across * t->columns;
    int64_t rows = g->m - i < t->rows ? g->m - i : t->rows;
    int64_t columns = g->n - j < t->columns ? g->n - j : t->columns;
    const float *a = g->a + batch * g->a_batch + (g->a_transposed ? i : i * g->a_stride);
    const float *b = g->b + batch * g->b_batch + (g->b_transposed ? j * g->b_stride : j);
    float *c = g->c + batch * g->c_batch + i * g->c_stride + j;

    (void)worker;
    t->sgemm(TERN_BLAS_ROW_MAJOR, g->a_transposed ? TERN_BLAS_TRANS : TERN_BLAS_NO_TRANS,
             g->b_transposed ? TERN_BLAS_TRANS : TERN_BLAS_NO_TRANS, (int)rows, (int)columns,
             (int)g->k, 1, a, blas_stride(g->a_stride), b, blas_stride(g->b_stride),
             g->accumulate ? 1 : 0, c, blas_stride(g->c_stride));
    if (g->bias || g->before || g->activation)
        for (int64_t r = 0; r < rows; r++)
            finish_row(g, c + r * g->c_stride, j, columns);
}

static size_t no_scratch(const tern_gemm *gemm, int threads)
{
    (void)gemm;
    (void)threads;
    return 0;
}

static void run(tern_pool *pool, const tern_gemm *gemm)
{
    tiling t = tiling_of(gemm, tern_pool_threads(pool));
    tern_parallel(pool, (gemm->batch > 0 ? gemm->batch : 1) * t.across * t.down, run_tile, &t);
}

const tern_gemm_provider TERN_LEVEL(tern_openblas_gemm) = { .scratch = no_scratch, .run = run };
