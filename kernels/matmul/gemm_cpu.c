/* GEMM: cuts C into tasks for the threads and feeds the inner loop.
 *
 *   1. pack      B into panels (gemm_pack_cpu.c), all threads, once
 *   2. multiply  a task is a block of C: block_rows rows x some panels; it goes along k
 *                in steps of K_BLOCK, so that its piece of B stays in the L2 cache
 *                while the rows of A pass by, TERN_TILE_ROWS at a time, in L1
 *   3. reduce    only when k was cut into chunks because C alone gives too few tasks:
 *                the chunks' partial products are summed in order
 *
 * What a task computes follows from the problem's sizes alone, and every element of C
 * is summed by one task along k in order, so the threads' number changes no bit.
 *
 * Two products go another way:
 *   - few rows of C, B not transposed: packing would cost as much as it helps, so the
 *     panels are read from B itself, but for a last one that is not whole vectors
 *   - few rows of C, B transposed (a linear layer on a small batch): C^T = B^T A^T is
 *     computed instead.  Then the big operand B is read row by row, where it lies, and
 *     only the small A is packed.  Tiles are written to C transposed.
 */
#include "kernels/matmul/gemm.h"

#include "kernels/elementwise/activation_cpu.h"
#include "kernels/matmul/gemm_pack.h"

enum {
    K_BLOCK = 256,
    BLOCK_ROWS = 16 * TERN_TILE_ROWS,
    BLOCK_PANELS = 8,
    LEAST_BLOCK_ROWS = 4 * TERN_TILE_ROWS, /* before panels are given to other tasks */
    WANTED_TASKS = 32,
    LEAST_TASK_MACS = 65536, /* multiply-adds, a microsecond: less is not worth a task */
    LEAST_CHUNK = 512,       /* along k */
    DIRECT_ROWS = 24,        /* up to here panels are read from B itself */
    SWAPPED_ROWS = 64        /* up to here C^T may be computed instead */
};

/* The product as it is computed: of the caller's problem or its transpose. */
typedef struct product {
    const tern_gemm *gemm;
    bool swapped; /* C^T = B^T A^T */
    int64_t rows, columns, k, batch;

    /* The operand that is broadcast, element (i,p) at left[i * left_row + p * left_k]. */
    const float *left;
    int64_t left_row, left_k, left_batch;
    bool pack_left; /* rows lie along the fast axis: pack a block when a task needs it */

    /* The operand in panels. */
    const float *right;
    int64_t right_stride, right_batch;
    bool right_transposed, pack_right, pack_last; /* all panels now; only the last */
    int64_t panels, right_packs, pack_elements;   /* packs: one for all, or one per batch */

    /* Tasks. */
    int64_t block_rows, block_panels, row_blocks, panel_blocks;
    int64_t chunks, chunk_k;

    /* Scratch, in floats from the start. */
    int64_t left_offset, left_elements, partial_offset, total;
} product;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------- plan -- */

static int64_t count_tasks(const product *q)
{
    return ceil_div(q->rows, q->block_rows) * ceil_div(q->panels, q->block_panels) * q->batch;
}

/* Halve a block until there are tasks enough: first its rows down to a number that still
 * pays for packing them, then its panels, then its rows again. */
static void plan_tasks(product *q)
{
    double macs = (double)q->rows * (double)q->columns * (double)q->k * (double)q->batch;
    int64_t wanted = macs / LEAST_TASK_MACS < WANTED_TASKS ? (int64_t)(macs / LEAST_TASK_MACS)
                                                           : WANTED_TASKS;
    q->block_rows = BLOCK_ROWS;
    q->block_panels = BLOCK_PANELS;
    while (count_tasks(q) < wanted) {
        if (q->block_rows > LEAST_BLOCK_ROWS)
            q->block_rows /= 2;
        else if (q->block_panels > 1)
            q->block_panels /= 2;
        else if (q->block_rows > TERN_TILE_ROWS)
            q->block_rows = q->block_rows > 2 * TERN_TILE_ROWS ? 2 * TERN_TILE_ROWS : TERN_TILE_ROWS;
        else
            break;
    }
    q->row_blocks = ceil_div(q->rows, q->block_rows);
    q->panel_blocks = ceil_div(q->panels, q->block_panels);
    q->chunks = 1;
    q->chunk_k = q->k;
    if (count_tasks(q) < wanted / 2 && !q->swapped && q->k >= 2 * LEAST_CHUNK) {
        q->chunks = at_most(wanted / count_tasks(q), q->k / LEAST_CHUNK);
        q->chunk_k = ceil_div(ceil_div(q->k, q->chunks), TERN_LANES) * TERN_LANES;
        q->chunks = ceil_div(q->k, q->chunk_k);
    }
}

/* Offsets are multiples of 16 floats, so that all parts of scratch are aligned. */
static void plan_scratch(product *q, int threads)
{
    int64_t last = (q->panels - 1) * TERN_TILE_COLUMNS;
    int64_t right = q->pack_right  ? q->k * tern_panel_width(q->columns)
                    : q->pack_last ? q->k * tern_panel_width(q->columns - last)
                                   : 0;
    q->pack_elements = ceil_div(right, 16) * 16;
    q->left_offset = q->pack_elements * q->right_packs;
    q->left_elements = q->pack_left ? q->block_rows * K_BLOCK : 0;
    q->partial_offset = q->left_offset + q->left_elements * threads;
    q->total = q->partial_offset + (q->chunks > 1 ? q->chunks * q->batch * q->rows * q->columns : 0);
}

static product plan(const tern_gemm *gemm, int threads)
{
    product q = { .gemm = gemm, .k = gemm->k, .batch = gemm->batch > 0 ? gemm->batch : 1 };
    int64_t left_stride;
    bool left_transposed;

    q.swapped = gemm->b_transposed && !gemm->b_packed && gemm->m <= SWAPPED_ROWS &&
                gemm->m < gemm->n;
    if (q.swapped) {
        q.rows = gemm->n, q.columns = gemm->m;
        q.left = gemm->b, left_stride = gemm->b_stride, q.left_batch = gemm->b_batch;
        left_transposed = false;
        q.right = gemm->a, q.right_stride = gemm->a_stride, q.right_batch = gemm->a_batch;
        q.right_transposed = !gemm->a_transposed;
    } else {
        q.rows = gemm->m, q.columns = gemm->n;
        q.left = gemm->a, left_stride = gemm->a_stride, q.left_batch = gemm->a_batch;
        left_transposed = gemm->a_transposed;
        q.right = gemm->b, q.right_stride = gemm->b_stride, q.right_batch = gemm->b_batch;
        q.right_transposed = gemm->b_transposed;
    }
    q.left_row = left_transposed ? 1 : left_stride;
    q.left_k = left_transposed ? left_stride : 1;
    q.pack_left = left_transposed && q.rows > 1;
    q.panels = ceil_div(q.columns, TERN_TILE_COLUMNS);
    q.pack_right = !gemm->b_packed && (q.right_transposed || q.rows > DIRECT_ROWS);
    q.pack_last = !gemm->b_packed && !q.pack_right && q.columns % TERN_LANES != 0;
    q.right_packs = q.right_batch == 0 ? 1 : q.batch;
    plan_tasks(&q);
    plan_scratch(&q, threads);
    return q;
}

size_t TERN_LEVEL(tern_gemm_scratch)(const tern_gemm *gemm, int threads)
{
    if (gemm->m == 0 || gemm->n == 0)
        return 0;
    return (size_t)plan(gemm, threads).total * sizeof(float);
}

/* Packs only get smaller with the problem, but a task's rows of A and the number of
 * chunks may grow; what bounds them is that k is cut only when C has fewer tiles than
 * tasks are wanted, so the chunks hold no more than WANTED_TASKS tiles together. */
size_t TERN_LEVEL(tern_gemm_scratch_up_to)(const tern_gemm *gemm, int threads)
{
    int64_t batch = gemm->batch > 0 ? gemm->batch : 1;
    int64_t right = gemm->b_packed ? 0 : (gemm->k * tern_panel_width(gemm->n) + 15) / 16 * 16;
    int64_t left = gemm->a_transposed ? BLOCK_ROWS * K_BLOCK : 0;
    int64_t chunks = WANTED_TASKS * TERN_TILE_ROWS * TERN_TILE_COLUMNS;
    return (size_t)(right * batch + left * threads + chunks) * sizeof(float);
}

/* ------------------------------------------------------------------- pack -- */

static int64_t panel_columns(const product *q, int64_t panel)
{
    return at_most(TERN_TILE_COLUMNS, q->columns - panel * TERN_TILE_COLUMNS);
}

/* Panel 0's place in scratch; with pack_last there is only the last panel. */
static float *packed_right(const product *q, int64_t batch)
{
    return (float *)q->gemm->scratch + (q->right_packs > 1 ? batch * q->pack_elements : 0);
}

static void pack_task(void *argument, int64_t task, int worker)
{
    const product *q = argument;
    int64_t batch = q->pack_last ? task : task / q->panels;
    int64_t panel = q->pack_last ? q->panels - 1 : task % q->panels, j = panel * TERN_TILE_COLUMNS;
    const float *from = q->right + batch * q->right_batch +
                        j * (q->right_transposed ? q->right_stride : 1);

    (void)worker;
    TERN_LEVEL(tern_pack_panel)(q->k, panel_columns(q, panel), from, q->right_stride,
                                q->right_transposed,
                                packed_right(q, batch) + (q->pack_last ? 0 : j * q->k));
}

/* --------------------------------------------------------------- multiply -- */

/* One task's place: rows [row, row_end) x panels [panel, panel_end), along k from p. */
typedef struct block {
    const product *q;
    int64_t batch, row, row_end, panel, panel_end;
    int64_t p, steps;
    bool first, last; /* piece of k */
    float *c;         /* where element (0,0) of this batch goes, at strides */
    int64_t c_row, c_column;
    bool partial;     /* c is a chunk's partial product: no bias, no activation */
} block;

/* The panel's element (0,0), and the stride along k. */
static const float *panel_data(const product *q, int64_t batch, int64_t panel, int64_t *stride)
{
    int64_t j = panel * TERN_TILE_COLUMNS;
    if (q->gemm->b_packed) {
        *stride = tern_panel_width(panel_columns(q, panel));
        return q->right + batch * q->right_batch + j * q->k;
    }
    if (q->pack_right || (q->pack_last && panel == q->panels - 1)) {
        *stride = tern_panel_width(panel_columns(q, panel));
        return packed_right(q, batch) + (q->pack_last ? 0 : j * q->k);
    }
    *stride = q->right_stride;
    return q->right + batch * q->right_batch + j;
}

/* Bias enters as the sums' start, where C itself does not. */
static bool bias_is_late(const block *at)
{
    return at->q->gemm->bias && at->q->gemm->accumulate && !at->partial;
}

static bool needs_finish(const block *at)
{
    const tern_gemm *gemm = at->q->gemm;
    return at->last && !at->partial && (gemm->activation || gemm->before || bias_is_late(at));
}

/* Late bias, value before the activation and activation, on rows of whole vectors that
 * have just been written to C. */
static void finish_rows(const block *at, int64_t rows, float *c, int64_t columns, int64_t j)
{
    const tern_gemm *gemm = at->q->gemm;
    const float *bias = bias_is_late(at) ? gemm->bias + j : NULL;

    for (int64_t i = 0; i < rows; i++, c += at->c_row) {
        float *before = gemm->before ? gemm->before + (c - gemm->c) : NULL;
        for (int64_t v = 0; v < columns; v += TERN_LANES) {
            tern_vf value = tern_load(c + v);
            if (bias)
                value += tern_load(bias + v);
            if (before)
                tern_store(before + v, value);
            tern_store(c + v, tern_vactivate(gemm->activation, value));
        }
    }
}

/* A tile whose columns are not whole vectors or which goes to C transposed: through a
 * buffer.  tile has all but start and c. */
static void buffered_tile(const block *at, tern_tile tile, int64_t i, int64_t rows, int64_t j,
                          int64_t columns)
{
    const tern_gemm *gemm = at->q->gemm;
    float buffer[TERN_TILE_ROWS * TERN_TILE_COLUMNS] __attribute__((aligned(64)));
    float *c = at->c + i * at->c_row + j * at->c_column;
    float *before = gemm->before && needs_finish(at) ? gemm->before + (c - gemm->c) : NULL;
    int64_t width = tern_panel_width(columns);
    bool from_c = !at->first || (gemm->accumulate && !at->partial);

    memset(buffer, 0, sizeof buffer);
    for (int64_t x = 0; x < rows; x++)
        for (int64_t y = 0; y < columns; y++) {
            float *to = &buffer[x * TERN_TILE_COLUMNS + y];
            if (from_c)
                *to = c[x * at->c_row + y * at->c_column];
            else if (gemm->bias && !at->partial)
                *to = gemm->bias[at->q->swapped ? i + x : j + y];
        }
    tile.start = tile.c = buffer;
    tile.start_row = tile.c_row = TERN_TILE_COLUMNS;
    TERN_LEVEL(tern_tile_run)((int)rows, (int)(width / TERN_LANES), &tile);
    for (int64_t y = 0; bias_is_late(at) && at->last && y < columns; y++)
        for (int64_t x = 0; x < rows; x++)
            buffer[x * TERN_TILE_COLUMNS + y] += gemm->bias[at->q->swapped ? i + x : j + y];
    for (int64_t y = 0; before && y < columns; y++)
        for (int64_t x = 0; x < rows; x++)
            before[x * at->c_row + y * at->c_column] = buffer[x * TERN_TILE_COLUMNS + y];
    for (int64_t v = 0; needs_finish(at) && v < rows * TERN_TILE_COLUMNS; v += TERN_LANES)
        tern_store(buffer + v, tern_vactivate(gemm->activation, tern_load(buffer + v)));
    for (int64_t y = 0; y < columns; y++)
        for (int64_t x = 0; x < rows; x++)
            c[x * at->c_row + y * at->c_column] = buffer[x * TERN_TILE_COLUMNS + y];
}

/* Tiles side by side from `panel` on, alike in width and stride; returns their number. */
static int64_t run_tiles(const block *at, tern_tile tile, int64_t i, int64_t rows, int64_t panel)
{
    const product *q = at->q;
    const tern_gemm *gemm = q->gemm;
    int64_t j = panel * TERN_TILE_COLUMNS, columns = panel_columns(q, panel);

    tile.b = panel_data(q, at->batch, panel, &tile.b_k) + at->p * tile.b_k;
    tile.panels = 1;
    if (q->swapped || columns % TERN_LANES != 0) {
        buffered_tile(at, tile, i, rows, j, columns);
        return 1;
    }
    if (columns == TERN_TILE_COLUMNS) {
        int64_t whole = q->columns / TERN_TILE_COLUMNS;
        tile.panels = at_most(at->panel_end, whole) - panel;
        tile.b_panel = q->pack_right || gemm->b_packed ? q->k * TERN_TILE_COLUMNS
                                                       : TERN_TILE_COLUMNS;
    }
    tile.c = at->c + i * at->c_row + j;
    tile.c_row = at->c_row;
    if (!at->first || (gemm->accumulate && !at->partial)) {
        tile.start = tile.c;
        tile.start_row = tile.c_row;
    } else if (gemm->bias && !at->partial) {
        tile.start = gemm->bias + j;
    }
    TERN_LEVEL(tern_tile_run)((int)rows, (int)(columns / TERN_LANES), &tile);
    if (needs_finish(at))
        finish_rows(at, rows, tile.c, tile.panels * columns, j);
    return tile.panels;
}

static void multiply_block(const block *at, float *packed_rows)
{
    const product *q = at->q;
    const float *left = q->left + at->batch * q->left_batch + at->row * q->left_row +
                        at->p * q->left_k;

    if (q->pack_left)
        TERN_LEVEL(tern_pack_rows)(at->steps, at->row_end - at->row, left, q->left_k, packed_rows);
    for (int64_t i = at->row; i < at->row_end; i += TERN_TILE_ROWS) {
        tern_tile tile = { .k = at->steps };
        if (q->pack_left) {
            tile.a = packed_rows + (i - at->row) * at->steps;
            tile.a_row = 1;
            tile.a_k = TERN_TILE_ROWS;
        } else {
            tile.a = left + (i - at->row) * q->left_row;
            tile.a_row = q->left_row;
            tile.a_k = q->left_k;
        }
        int64_t rows = at_most(TERN_TILE_ROWS, at->row_end - i);
        for (int64_t panel = at->panel; panel < at->panel_end;)
            panel += run_tiles(at, tile, i, rows, panel);
    }
}

static void multiply_task(void *argument, int64_t task, int worker)
{
    const product *q = argument;
    const tern_gemm *gemm = q->gemm;
    float *scratch = gemm->scratch;
    int64_t panel_block = task % q->panel_blocks;
    int64_t row_block = task / q->panel_blocks % q->row_blocks;
    int64_t chunk = task / q->panel_blocks / q->row_blocks % q->chunks;
    block at = { .q = q, .batch = task / q->panel_blocks / q->row_blocks / q->chunks };

    at.row = row_block * q->block_rows;
    at.row_end = at_most(at.row + q->block_rows, q->rows);
    at.panel = panel_block * q->block_panels;
    at.panel_end = at_most(at.panel + q->block_panels, q->panels);
    at.partial = q->chunks > 1;
    if (at.partial) {
        at.c = scratch + q->partial_offset + (at.batch * q->chunks + chunk) * q->rows * q->columns;
        at.c_row = q->columns;
        at.c_column = 1;
    } else {
        at.c = gemm->c + at.batch * gemm->c_batch;
        at.c_row = q->swapped ? 1 : gemm->c_stride;
        at.c_column = q->swapped ? gemm->c_stride : 1;
    }
    int64_t start = chunk * q->chunk_k, end = at_most(start + q->chunk_k, q->k);
    for (at.p = start; at.p == start || at.p < end; at.p += K_BLOCK) {
        at.first = at.p == start;
        at.last = at.p + K_BLOCK >= end;
        at.steps = at_most(K_BLOCK, end - at.p);
        multiply_block(&at, scratch + q->left_offset + worker * q->left_elements);
    }
}

/* ----------------------------------------------------------------- reduce -- */

/* n columns from j on of one row of C: the chunks' sum, then what finish_rows does.
 * Inlined with n a constant for whole vectors. */
static inline void reduce_vector(const product *q, const float *partial, float *c, int64_t j,
                                 int64_t n)
{
    const tern_gemm *gemm = q->gemm;
    tern_vf sum = tern_load_part(partial + j, n);

    for (int64_t chunk = 1; chunk < q->chunks; chunk++)
        sum += tern_load_part(partial + chunk * q->rows * q->columns + j, n);
    if (gemm->accumulate)
        sum += tern_load_part(c + j, n);
    if (gemm->bias)
        sum += tern_load_part(gemm->bias + j, n);
    if (gemm->before)
        tern_store_part(gemm->before + (c - gemm->c) + j, sum, n);
    tern_store_part(c + j, tern_vactivate(gemm->activation, sum), n);
}

static void reduce_task(void *argument, int64_t task, int worker)
{
    const product *q = argument;
    const tern_gemm *gemm = q->gemm;
    int64_t batch = task / q->rows, i = task % q->rows, j = 0;
    const float *partial = (float *)gemm->scratch + q->partial_offset +
                           (batch * q->chunks * q->rows + i) * q->columns;
    float *c = gemm->c + batch * gemm->c_batch + i * gemm->c_stride;

    (void)worker;
    for (; j + TERN_LANES <= q->columns; j += TERN_LANES)
        reduce_vector(q, partial, c, j, TERN_LANES);
    if (j < q->columns)
        reduce_vector(q, partial, c, j, q->columns - j);
}

void TERN_LEVEL(tern_gemm_run)(tern_pool *pool, const tern_gemm *gemm)
{
    if (gemm->m == 0 || gemm->n == 0)
        return;
    product q = plan(gemm, tern_pool_threads(pool));
    if (q.pack_right)
        tern_parallel(pool, q.right_packs * q.panels, pack_task, &q);
    else if (q.pack_last)
        tern_parallel(pool, q.right_packs, pack_task, &q);
    tern_parallel(pool, q.batch * q.chunks * q.row_blocks * q.panel_blocks, multiply_task, &q);
    if (q.chunks > 1)
        tern_parallel(pool, q.batch * q.rows, reduce_task, &q);
}
