/* GEMM's plan: what is packed, how C is cut into tasks, where things lie in scratch. */
#include "kernels/matmul/gemm_plan.h"

enum {
    BLOCK_ROWS = 64 * TERN_TILE_ROWS,
    BLOCK_PANELS = 4,
    LEAST_BLOCK_ROWS = 4 * TERN_TILE_ROWS,
    WANTED_TASKS = 32,
    LEAST_TASK_MACS = 1 << 17, /* multiply-adds, a microsecond or two             */
    LEAST_CHUNK = 512,         /* along k                                         */
    DIRECT_ROWS = 256 /* up to here a B that is not transposed is not packed      */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* So that all parts of scratch begin at a cache line. */
static int64_t aligned(int64_t floats)
{
    return ceil_div(floats, 16) * 16;
}

static int64_t count_tasks(tern_gemm_plan *plan)
{
    plan->row_blocks = ceil_div(plan->gemm->m, plan->block_rows);
    plan->panel_blocks = ceil_div(plan->panels, plan->block_panels);
    return plan->row_blocks * plan->panel_blocks * plan->batch * plan->chunks;
}

/* Tasks enough for many threads, but none too small.  Blocks begin large, since a piece of
 * B in L2 serves all rows of a block, and a strip of A in L1 all its panels.  They are
 * halved until there are tasks enough: rows, then panels; then k is cut into chunks, which
 * costs memory and a pass over it; at last, rows down to one tile. */
static void plan_tasks(tern_gemm_plan *plan)
{
    const tern_gemm *gemm = plan->gemm;
    double macs = (double)gemm->m * (double)gemm->n * (double)gemm->k * (double)plan->batch;
    int64_t wanted = macs < (double)WANTED_TASKS * LEAST_TASK_MACS
                         ? (int64_t)(macs / LEAST_TASK_MACS)
                         : WANTED_TASKS;

    plan->block_rows = BLOCK_ROWS;
    plan->block_panels = BLOCK_PANELS;
    plan->chunks = 1;
    plan->chunk_k = gemm->k;
    while (count_tasks(plan) < wanted && plan->block_rows > LEAST_BLOCK_ROWS)
        plan->block_rows /= 2;
    while (count_tasks(plan) < wanted && plan->block_panels > 1)
        plan->block_panels /= 2;
    int64_t chunks = tern_at_most(wanted / count_tasks(plan), gemm->k / LEAST_CHUNK);
    if (chunks > 1) {
        plan->chunk_k = ceil_div(ceil_div(gemm->k, chunks), TERN_LANES) * TERN_LANES;
        plan->chunks = ceil_div(gemm->k, plan->chunk_k);
    }
    while (count_tasks(plan) < wanted && plan->block_rows > TERN_TILE_ROWS)
        plan->block_rows /= 2;
}

static void plan_scratch(tern_gemm_plan *plan)
{
    const tern_gemm *gemm = plan->gemm;
    int64_t columns = 0; /* to pack */

    if (plan->pack_all)
        columns = gemm->n;
    else if (plan->pack_last)
        columns = gemm->n - (plan->panels - 1) * TERN_TILE_COLUMNS;
    plan->pack_size = aligned(gemm->k * tern_panel_width(columns));
    plan->partials_at = plan->packs * plan->pack_size;
    plan->total = plan->partials_at +
                  (plan->chunks > 1 ? plan->batch * plan->chunks * gemm->m * gemm->n : 0);
}

tern_gemm_plan TERN_LEVEL(tern_gemm_make_plan)(const tern_gemm *gemm)
{
    tern_gemm_plan plan = { .gemm = gemm, .batch = gemm->batch > 0 ? gemm->batch : 1 };

    plan.panels = ceil_div(gemm->n, TERN_TILE_COLUMNS);
    plan.pack_all = !gemm->b_packed && (gemm->b_transposed || gemm->m > DIRECT_ROWS);
    plan.pack_last = !gemm->b_packed && !plan.pack_all && gemm->n % TERN_LANES != 0;
    plan.packs = gemm->b_batch == 0 ? 1 : plan.batch;
    plan_tasks(&plan);
    plan_scratch(&plan);
    return plan;
}

size_t TERN_LEVEL(tern_gemm_scratch)(const tern_gemm *gemm, int threads)
{
    (void)threads;
    if (gemm->m == 0 || gemm->n == 0)
        return 0;
    return (size_t)TERN_LEVEL(tern_gemm_make_plan)(gemm).total * sizeof(float);
}

/* Packs only get smaller with the problem, but the number of chunks may grow; what bounds
 * them is that k is cut only when the smallest blocks give fewer tasks than wanted, and
 * into no more chunks than make up for that. */
size_t TERN_LEVEL(tern_gemm_scratch_up_to)(const tern_gemm *gemm, int threads)
{
    int64_t batch = gemm->batch > 0 ? gemm->batch : 1;
    int64_t pack = gemm->b_packed ? 0 : aligned(gemm->k * tern_panel_width(gemm->n));

    (void)threads;
    return (size_t)(pack * batch + WANTED_TASKS * LEAST_BLOCK_ROWS * TERN_TILE_COLUMNS) *
           sizeof(float);
}
