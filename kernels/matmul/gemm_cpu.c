/* GEMM: cuts C into tasks for the threads and feeds the inner loop.
 *
 *   1. pack      B into panels (gemm_pack_cpu.c), all threads, once
 *   2. multiply  a task is a block of C: some rows x some panels; it goes along k in steps
 *                of TERN_GEMM_K_BLOCK, so that its piece of B stays in the L2 cache while
 *                the rows of A pass by, TERN_TILE_ROWS at a time, in L1;
 *                A is read where it lies, transposed or not
 *   3. reduce    only when k was cut into chunks because C alone gives too few tasks:
 *                the chunks' partial products are summed in order
 *
 *                 one panel                    along k
 *                +----+----+----+         +----------------+
 *                |    |    |    |         |   TILE_ROWS    |  a strip of A: stays in L1
 *       along k  |    |    |    |         +----------------+    while it meets all the
 *                |    |    |    |         |                |    block's panels
 *                +----+----+----+         +----------------+
 *                 B: a block's panels      A: a block's rows
 *
 * With few rows of C and B not transposed, packing would cost more than it helps: then the
 * panels are read from B itself, but for a last one that is not whole vectors.
 *
 * What a task computes follows from the problem's sizes alone, and every element of C is
 * summed by one task along k in order, so the threads' number changes no bit.
 */
#include "kernels/matmul/gemm.h"

#include "kernels/elementwise/activation_cpu.h"
#include "kernels/matmul/gemm_pack.h"
#include "kernels/matmul/gemm_plan.h"

/* ------------------------------------------------------------------- pack -- */

static int64_t panel_columns(const tern_gemm *gemm, int64_t panel)
{
    return tern_at_most(TERN_TILE_COLUMNS, gemm->n - panel * TERN_TILE_COLUMNS);
}

/* Where a panel that was packed before the tasks is. */
static float *packed_panel(const tern_gemm_plan *plan, int64_t batch, int64_t panel)
{
    float *packs = plan->gemm->scratch;
    float *pack = packs + (plan->packs > 1 ? batch * plan->pack_size : 0);
    return plan->pack_last ? pack : pack + panel * TERN_TILE_COLUMNS * plan->gemm->k;
}

static void pack_task(void *argument, int64_t task, int worker)
{
    const tern_gemm_plan *plan = argument;
    const tern_gemm *gemm = plan->gemm;
    int64_t batch = plan->pack_last ? task : task / plan->panels;
    int64_t panel = plan->pack_last ? plan->panels - 1 : task % plan->panels;
    int64_t step = TERN_TILE_COLUMNS * (gemm->b_transposed ? gemm->b_stride : 1);

    (void)worker;
    TERN_LEVEL(tern_pack_panel)(gemm->k, panel_columns(gemm, panel),
                                gemm->b + batch * gemm->b_batch + panel * step, gemm->b_stride,
                                gemm->b_transposed, packed_panel(plan, batch, panel));
}

/* A panel as the inner loop reads it; *stride is that along k. */
static const float *panel_data(const tern_gemm_plan *plan, int64_t batch, int64_t panel,
                               int64_t *stride)
{
    const tern_gemm *gemm = plan->gemm;
    const float *b = gemm->b + batch * gemm->b_batch;

    *stride = tern_panel_width(panel_columns(gemm, panel));
    if (gemm->b_packed)
        return b + panel * TERN_TILE_COLUMNS * gemm->k;
    if (plan->pack_all || (plan->pack_last && panel == plan->panels - 1))
        return packed_panel(plan, batch, panel);
    *stride = gemm->b_stride;
    return b + panel * TERN_TILE_COLUMNS;
}

/* --------------------------------------------------------------- multiply -- */

/* One task's place: rows [row, row_end) x panels [panel, panel_end), and of k the `steps`
 * steps from p on. */
typedef struct block {
    const tern_gemm_plan *plan;
    int64_t batch, row, row_end, panel, panel_end;
    int64_t p, steps;
    bool first, last; /* steps of the task */
    bool partial;     /* c is a chunk's partial product: no old C, bias or activation */
    float *c;         /* element (0,0) of this index of the batch */
    int64_t c_stride;
} block;

/* The sums start from what is in C: earlier steps' sums, or what the caller adds to. */
static bool starts_from_c(const block *at)
{
    return !at->first || (at->plan->gemm->accumulate && !at->partial);
}

/* The sums start from the bias, unless they start from C; then it is added at last. */
static bool bias_is_late(const block *at)
{
    return at->plan->gemm->bias && at->plan->gemm->accumulate && !at->partial;
}

static bool needs_finish(const block *at)
{
    const tern_gemm *gemm = at->plan->gemm;
    return at->last && !at->partial && (gemm->activation || gemm->before || bias_is_late(at));
}

/* Late bias, value before the activation and activation, for one row's columns from j on;
 * sum and c may be the same. */
static void finish_row(const block *at, const float *sum, float *c, int64_t j, int64_t columns)
{
    const tern_gemm *gemm = at->plan->gemm;
    float *before = gemm->before ? gemm->before + (c - gemm->c) : NULL;

    for (int64_t v = 0; v < columns; v += TERN_LANES) {
        tern_vf value = tern_load_part(sum + v, columns - v);
        if (bias_is_late(at))
            value += tern_load_part(gemm->bias + j + v, columns - v);
        if (before)
            tern_store_part(before + v, value, columns - v);
        tern_store_part(c + v, tern_vactivate(gemm->activation, value), columns - v);
    }
}

/* A tile whose last vector is not whole goes through a buffer of whole vectors. */
static void ragged_tile(const block *at, tern_tile tile, int64_t i, int64_t rows, int64_t j,
                        int64_t columns)
{
    const tern_gemm *gemm = at->plan->gemm;
    float buffer[TERN_TILE_ROWS][TERN_TILE_COLUMNS] __attribute__((aligned(64)));
    size_t bytes = (size_t)columns * sizeof(float);
    float *c = at->c + i * at->c_stride + j;

    memset(buffer, 0, sizeof buffer);
    for (int64_t x = 0; x < rows; x++)
        if (starts_from_c(at))
            memcpy(buffer[x], c + x * at->c_stride, bytes);
        else if (gemm->bias && !at->partial)
            memcpy(buffer[x], gemm->bias + j, bytes);
    tile.start = tile.c = buffer[0];
    tile.start_row = tile.c_row = TERN_TILE_COLUMNS;
    TERN_LEVEL(tern_tile_run)((int)rows, (int)(tern_panel_width(columns) / TERN_LANES), &tile);
    for (int64_t x = 0; x < rows; x++)
        if (needs_finish(at))
            finish_row(at, buffer[x], c + x * at->c_stride, j, columns);
        else
            memcpy(c + x * at->c_stride, buffer[x], bytes);
}

/* Tiles of whole vectors, straight into C: as many side by side as have full width. */
static int64_t whole_tiles(const block *at, tern_tile tile, int64_t i, int64_t rows, int64_t panel)
{
    const tern_gemm *gemm = at->plan->gemm;
    int64_t j = panel * TERN_TILE_COLUMNS, columns = panel_columns(gemm, panel);

    if (columns == TERN_TILE_COLUMNS) {
        int64_t full_panels = gemm->n / TERN_TILE_COLUMNS;
        tile.panels = tern_at_most(at->panel_end, full_panels) - panel;
        tile.b_panel = TERN_TILE_COLUMNS * (gemm->b_packed || at->plan->pack_all ? gemm->k : 1);
    }
    tile.c = at->c + i * at->c_stride + j;
    tile.c_row = at->c_stride;
    if (starts_from_c(at)) {
        tile.start = tile.c;
        tile.start_row = tile.c_row;
    } else if (gemm->bias && !at->partial) {
        tile.start = gemm->bias + j;
    }
    TERN_LEVEL(tern_tile_run)((int)rows, (int)(columns / TERN_LANES), &tile);
    for (int64_t x = 0; needs_finish(at) && x < rows; x++)
        finish_row(at, tile.c + x * tile.c_row, tile.c + x * tile.c_row, j, tile.panels * columns);
    return tile.panels;
}

/* A strip of rows of A, which tile describes, times the block's panels. */
static void multiply_strip(const block *at, tern_tile tile, int64_t i, int64_t rows)
{
    for (int64_t panel = at->panel; panel < at->panel_end;) {
        int64_t columns = panel_columns(at->plan->gemm, panel);
        tile.b = panel_data(at->plan, at->batch, panel, &tile.b_k) + at->p * tile.b_k;
        tile.panels = 1;
        if (columns % TERN_LANES != 0)
            ragged_tile(at, tile, i, rows, panel++ * TERN_TILE_COLUMNS, columns);
        else
            panel += whole_tiles(at, tile, i, rows, panel);
    }
}

static void multiply_block(const block *at)
{
    const tern_gemm *gemm = at->plan->gemm;
    tern_tile tile = { .k = at->steps };
    tile.a_row = gemm->a_transposed ? 1 : gemm->a_stride;
    tile.a_k = gemm->a_transposed ? gemm->a_stride : 1;
    const float *a = gemm->a + at->batch * gemm->a_batch + at->p * tile.a_k;

    for (int64_t i = at->row; i < at->row_end; i += TERN_TILE_ROWS) {
        tile.a = a + i * tile.a_row;
        multiply_strip(at, tile, i, tern_at_most(TERN_TILE_ROWS, at->row_end - i));
    }
}

static void multiply_task(void *argument, int64_t task, int worker)
{
    const tern_gemm_plan *plan = argument;
    const tern_gemm *gemm = plan->gemm;
    int64_t panel_block = task % plan->panel_blocks;
    int64_t row_block = task / plan->panel_blocks % plan->row_blocks;
    int64_t chunk = task / plan->panel_blocks / plan->row_blocks % plan->chunks;
    block at = { .plan = plan, .partial = plan->chunks > 1 };

    (void)worker;
    at.batch = task / plan->panel_blocks / plan->row_blocks / plan->chunks;
    at.row = row_block * plan->block_rows;
    at.row_end = tern_at_most(at.row + plan->block_rows, gemm->m);
    at.panel = panel_block * plan->block_panels;
    at.panel_end = tern_at_most(at.panel + plan->block_panels, plan->panels);
    if (at.partial) {
        float *partials = (float *)gemm->scratch + plan->partials_at;
        at.c = partials + (at.batch * plan->chunks + chunk) * gemm->m * gemm->n;
        at.c_stride = gemm->n;
    } else {
        at.c = gemm->c + at.batch * gemm->c_batch;
        at.c_stride = gemm->c_stride;
    }
    int64_t start = chunk * plan->chunk_k, end = tern_at_most(start + plan->chunk_k, gemm->k);
    for (at.p = start; at.p == start || at.p < end; at.p += TERN_GEMM_K_BLOCK) {
        at.first = at.p == start;
        at.last = at.p + TERN_GEMM_K_BLOCK >= end;
        at.steps = tern_at_most(TERN_GEMM_K_BLOCK, end - at.p);
        multiply_block(&at);
    }
}

/* ----------------------------------------------------------------- reduce -- */

/* A row of C of an index of the batch: the chunks' sum, then what finish_row does. */
static void reduce_task(void *argument, int64_t task, int worker)
{
    const tern_gemm_plan *plan = argument;
    const tern_gemm *gemm = plan->gemm;
    int64_t batch = task / gemm->m, i = task % gemm->m;
    const float *partial = (float *)gemm->scratch + plan->partials_at +
                           (batch * plan->chunks * gemm->m + i) * gemm->n;
    float *c = gemm->c + batch * gemm->c_batch + i * gemm->c_stride;
    float *before = gemm->before ? gemm->before + (c - gemm->c) : NULL;

    (void)worker;
    for (int64_t j = 0; j < gemm->n; j += TERN_LANES) {
        int64_t left = gemm->n - j;
        tern_vf sum = tern_load_part(partial + j, left);
        for (int64_t chunk = 1; chunk < plan->chunks; chunk++)
            sum += tern_load_part(partial + chunk * gemm->m * gemm->n + j, left);
        if (gemm->accumulate)
            sum += tern_load_part(c + j, left);
        if (gemm->bias)
            sum += tern_load_part(gemm->bias + j, left);
        if (before)
            tern_store_part(before + j, sum, left);
        tern_store_part(c + j, tern_vactivate(gemm->activation, sum), left);
    }
}

void TERN_LEVEL(tern_gemm_run)(tern_pool *pool, const tern_gemm *gemm)
{
    if (gemm->m == 0 || gemm->n == 0)
        return;
    tern_gemm_plan plan = TERN_LEVEL(tern_gemm_make_plan)(gemm);
    int64_t blocks = plan.row_blocks * plan.panel_blocks;

    if (plan.pack_all)
        tern_parallel(pool, plan.packs * plan.panels, pack_task, &plan);
    else if (plan.pack_last)
        tern_parallel(pool, plan.packs, pack_task, &plan);
    tern_parallel(pool, plan.batch * plan.chunks * blocks, multiply_task, &plan);
    if (plan.chunks > 1)
        tern_parallel(pool, plan.batch * gemm->m, reduce_task, &plan);
}

const tern_gemm_provider TERN_LEVEL(tern_gemm_hand) = {
    .scratch = TERN_LEVEL(tern_gemm_scratch),
    .run = TERN_LEVEL(tern_gemm_run),
    .packed_bytes = TERN_LEVEL(tern_gemm_packed_bytes),
    .pack_b = TERN_LEVEL(tern_gemm_pack_b),
};
