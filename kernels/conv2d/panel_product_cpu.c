/* The panel product: blocks of rows x panel kept in vector registers.
 *
 * One step of the inner loop, for a block of 14 rows and a panel of two vectors:
 *
 *      panel row      [ p0 ............ ][ p1 ............ ]      2 loads
 *      a(0)  ->   c[0][0] += a(0)*p0    c[0][1] += a(0)*p1       1 broadcast,
 *      a(1)  ->   c[1][0] += a(1)*p0    c[1][1] += a(1)*p1       2 multiply-adds
 *      ...                                                        a row
 *
 * The block must be small enough for the registers: 14 x 2 sums, the two panel
 * vectors and one broadcast are 31 of AVX-512's 32; 6 x 2 are 15 of 16 elsewhere.
 * It should be large too: each broadcast serves two multiply-adds, each panel load
 * as many as there are rows, and eight sums at least are needed in flight to hide
 * the latency of an addition.
 */
#include "kernels/conv2d/panel_product.h"

#include "core/transpose.h"

#ifdef __AVX512F__
enum { BLOCK_ROWS = 14 };
#else
enum { BLOCK_ROWS = 6 };
#endif

/* Where the rows of a are.  An address each would be more registers than a processor has, and
 * those would come from memory in every step; but x86 adds 1, 2, 4 or 8 times a register
 * to another one for nothing.  So there is a base for five rows, and their distance once and
 * three times. */
typedef struct row_bases {
    const char *base[(BLOCK_ROWS + 4) / 5];
    int64_t step, step_3; /* bytes */
} row_bases;

static inline __attribute__((always_inline)) row_bases bases_of(const float *a, int64_t a_row)
{
    row_bases rows = { .step = a_row * (int64_t)sizeof *a };
    rows.step_3 = 3 * rows.step;
    TERN_UNROLL for (int i = 0; i < (BLOCK_ROWS + 4) / 5; i++)
        rows.base[i] = (const char *)a + 5 * i * rows.step;
    return rows;
}

static inline __attribute__((always_inline)) float at_row(const row_bases *rows, const int r)
{
    const char *base = rows->base[r / 5];
    float value;
    switch (r % 5) {
    case 1: base += rows->step; break;
    case 2: base += 2 * rows->step; break;
    case 3: base += rows->step_3; break;
    case 4: base += 4 * rows->step; break;
    }
    memcpy(&value, base, sizeof value);
    return value;
}

/* The next step along the sum.  That the distances are the same in each is hidden from the
 * compiler, which otherwise makes registers of their multiples. */
static inline __attribute__((always_inline)) void advance(row_bases *rows, int64_t bytes)
{
    TERN_UNROLL for (int i = 0; i < (BLOCK_ROWS + 4) / 5; i++)
        rows->base[i] += bytes;
    __asm__("" : "+r"(rows->step), "+r"(rows->step_3));
}

/* rows and vectors are constants where this is inlined, so that the sums are
 * registers. */
static inline __attribute__((always_inline)) void block_product(const panel_product *product,
                                                                const int rows, const int vectors)
{
    const int64_t a_inner = product->a_inner * (int64_t)sizeof(float), inner = product->inner;
    const int64_t middle = product->middle;
    /* The last vector: where it begins, and how much of it belongs there. */
    const int64_t last = (vectors - 1) * TERN_LANES, n = product->width - last;
    const bool is_whole = n == TERN_LANES;
    tern_vf sum[BLOCK_ROWS][PANEL_VECTORS];

    for (int64_t b = 0; b < product->batch; b++) {
        const float *outer_a = product->a + b * product->a_batch;
        const float *panel = product->panel + b * product->panel_batch;
        const float *start = product->start + b * product->start_batch;
        float *c = product->c + b * product->c_batch;

        TERN_UNROLL for (int r = 0; r < rows; r++) {
            const float *from = start + r * product->start_row;
            TERN_UNROLL for (int v = 0; v + 1 < vectors; v++)
                sum[r][v] = tern_load(from + v * TERN_LANES);
            sum[r][vectors - 1] =
                is_whole ? tern_load(from + last) : tern_load_part(from + last, n);
        }

        for (int64_t s = 0; s < product->outer; s++) {
            const float *run = outer_a;
            for (int64_t u = 0; u < middle; u++) {
                row_bases a = bases_of(run, product->a_row);
                for (int64_t t = 0; t < inner; t++) {
                    tern_vf p[PANEL_VECTORS];
                    TERN_UNROLL for (int v = 0; v < vectors; v++)
                        p[v] = tern_load(panel + v * TERN_LANES);
                    TERN_UNROLL for (int r = 0; r < rows; r++)
                        TERN_UNROLL for (int v = 0; v < vectors; v++)
                            sum[r][v] += at_row(&a, r) * p[v];
                    advance(&a, a_inner);
                    panel += vectors * TERN_LANES;
                }
                run += product->a_middle;
            }
            outer_a += product->a_outer;
        }

        TERN_UNROLL for (int r = 0; r < rows; r++) {
            float *to = c + r * product->c_row;
            TERN_UNROLL for (int v = 0; v + 1 < vectors; v++)
                tern_store(to + v * TERN_LANES, sum[r][v]);
            if (is_whole)
                tern_store(to + last, sum[r][vectors - 1]);
            else
                tern_store_part(to + last, sum[r][vectors - 1], n);
        }
    }
}

static void one_vector_block(const panel_product *product)
{
    switch (product->rows) {
    case 1: block_product(product, 1, 1); break;
    case 2: block_product(product, 2, 1); break;
    case 3: block_product(product, 3, 1); break;
    case 4: block_product(product, 4, 1); break;
    case 5: block_product(product, 5, 1); break;
    case 6: block_product(product, 6, 1); break;
#ifdef __AVX512F__
    case 7: block_product(product, 7, 1); break;
    case 8: block_product(product, 8, 1); break;
    case 9: block_product(product, 9, 1); break;
    case 10: block_product(product, 10, 1); break;
    case 11: block_product(product, 11, 1); break;
    case 12: block_product(product, 12, 1); break;
    case 13: block_product(product, 13, 1); break;
    case 14: block_product(product, 14, 1); break;
#endif
    }
}

static void two_vector_block(const panel_product *product)
{
    switch (product->rows) {
    case 1: block_product(product, 1, 2); break;
    case 2: block_product(product, 2, 2); break;
    case 3: block_product(product, 3, 2); break;
    case 4: block_product(product, 4, 2); break;
    case 5: block_product(product, 5, 2); break;
    case 6: block_product(product, 6, 2); break;
#ifdef __AVX512F__
    case 7: block_product(product, 7, 2); break;
    case 8: block_product(product, 8, 2); break;
    case 9: block_product(product, 9, 2); break;
    case 10: block_product(product, 10, 2); break;
    case 11: block_product(product, 11, 2); break;
    case 12: block_product(product, 12, 2); break;
    case 13: block_product(product, 13, 2); break;
    case 14: block_product(product, 14, 2); break;
#endif
    }
}

/* Not inlined, so that the blocks above exist once. */
static __attribute__((noinline)) void run_block(const panel_product *block)
{
    if (block->width > TERN_LANES)
        two_vector_block(block);
    else
        one_vector_block(block);
}

/* ---------------------------------------------------------- few columns -- */

/* Vectors along the sum, for `rows` rows side by side: additions do not wait for each other. */
static inline __attribute__((always_inline)) void
narrow_rows(const panel_product *product, const float *first, const float *column, const int rows,
            tern_vf *sum)
{
    const int64_t a_row = product->a_row, inner = product->inner;
    TERN_UNROLL for (int r = 0; r < rows; r++)
        sum[r] = (tern_vf){ 0 };
    for (int64_t s = 0; s < product->outer; s++)
        for (int64_t u = 0; u < product->middle; u++, column += inner) {
            const float *a = first + s * product->a_outer + u * product->a_middle;
            int64_t t = 0;
            for (; t + TERN_LANES <= inner; t += TERN_LANES) {
                tern_vf p = tern_load(column + t);
                TERN_UNROLL for (int r = 0; r < rows; r++)
                    sum[r] += tern_load(a + r * a_row + t) * p;
            }
            if (t < inner) {
                tern_vf p = tern_load_part(column + t, inner - t);
                TERN_UNROLL for (int r = 0; r < rows; r++)
                    sum[r] += tern_load_part(a + r * a_row + t, inner - t) * p;
            }
        }
}

/* A column's sums for TERN_LANES rows from r on, or for those that are left. */
static void narrow_block(const panel_product *product, int64_t r, int64_t j)
{
    const int64_t length = product->outer * product->middle * product->inner;
    const int64_t rows = product->rows - r < TERN_LANES ? product->rows - r : TERN_LANES;
    const float *a = product->a + r * product->a_row, *column = product->panel + j * length;
    const float *start = product->start + r * product->start_row + j;
    float *c = product->c + r * product->c_row + j, total[TERN_LANES];
    tern_vf sum[TERN_LANES];

    if (rows == TERN_LANES) {
        narrow_rows(product, a, column, TERN_LANES, sum);
        tern_store(total, tern_hsum_rows(sum));
    } else {
        for (int64_t i = 0; i < rows; i++) {
            narrow_rows(product, a + i * product->a_row, column, 1, sum);
            total[i] = tern_hsum(sum[0]);
        }
    }
    for (int64_t i = 0; i < rows; i++)
        c[i * product->c_row] = start[i * product->start_row] + total[i];
}

static void narrow_product(const panel_product *product)
{
    for (int64_t r = 0; r < product->rows; r += TERN_LANES)
        for (int64_t j = 0; j < product->width; j++)
            narrow_block(product, r, j);
}

/* --------------------------------------------------------------- blocks -- */

/* Rows are cut into the fewest blocks, of sizes that differ by at most one. */
void TERN_LEVEL(tern_panel_product)(const panel_product *product)
{
    int64_t blocks = (product->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    panel_product block = *product;

    if (product->narrow) {
        narrow_product(product);
        return;
    }
    for (int64_t i = 0; i < blocks; i++) {
        int64_t first = product->rows * i / blocks;
        block.rows = product->rows * (i + 1) / blocks - first;
        block.a = product->a + first * product->a_row;
        block.start = product->start + first * product->start_row;
        block.c = product->c + first * product->c_row;
        run_block(&block);
    }
}
