/* GEMM's plan: what is packed, how C is cut into tasks, where things lie in scratch. */
#include "kernels/matmul/gemm_plan.h"

enum {
    BLOCK_ROWS = 16 * TERN_TILE_ROWS,
    BLOCK_PANELS = 8,
    LEAST_BLOCK_ROWS = 4 * TERN_TILE_ROWS, /* before panels go to other tasks */
    WANTED_TASKS = 16,
    LEAST_TASK_MACS = 65536, /* multiply-adds, a microsecond: less is not worth a task */
    LEAST_CHUNK = 512,       /* along k */
    DIRECT_ROWS = 256        /* up to here a B that is not transposed is not packed */
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

static void cut_c(tern_gemm_plan *plan)
{
    plan->row_blocks = ceil_div(plan->gemm->m, plan->block_rows);
    plan->panel_blocks = ceil_div(plan->panels, plan->block_panels);
}

/* One halving of the blocks: first of their rows down to a number that still uses a piece
 * of B in L2 often enough, then of their panels, then of the rows again.  False if none is
 * left. */
static bool halve_blocks(tern_gemm_plan *plan)
{
    if (plan->block_rows > LEAST_BLOCK_ROWS || (plan->block_panels == 1 &&
                                                plan->block_rows > TERN_TILE_ROWS))
        plan->block_rows /= 2;
    else if (plan->block_panels > 1)
        plan->block_panels /= 2;
    else
        return false;
    return true;
}

/* Tasks enough for many threads, but none too small; where C itself does not give them, k
 * is cut into chunks. */
static void plan_tasks(tern_gemm_plan *plan)
{
    const tern_gemm *gemm = plan->gemm;
    double macs = (double)gemm->m * (double)gemm->n * (double)gemm->k * (double)plan->batch;
    int64_t wanted = macs < (double)WANTED_TASKS * LEAST_TASK_MACS
                         ? (int64_t)(macs / LEAST_TASK_MACS)
                         : WANTED_TASKS;

    plan->block_rows = BLOCK_ROWS;
    plan->block_panels = BLOCK_PANELS;
    do
        cut_c(plan);
    while (plan->row_blocks * plan->panel_blocks * plan->batch < wanted && halve_blocks(plan));

    int64_t tasks = plan->row_blocks * plan->panel_blocks * plan->batch;
    plan->chunks = 1;
    plan->chunk_k = gemm->k;
    if (tasks < wanted / 2 && gemm->k >= 2 * LEAST_CHUNK) {
        int64_t chunks = tern_at_most(wanted / tasks, gemm->k / LEAST_CHUNK);
        plan->chunk_k = ceil_div(ceil_div(gemm->k, chunks), TERN_LANES) * TERN_LANES;
        plan->chunks = ceil_div(gemm->k, plan->chunk_k);
    }
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
 * them is that k is cut only when C has fewer tiles than tasks are wanted, so the chunks
 * hold no more than WANTED_TASKS tiles together. */
size_t TERN_LEVEL(tern_gemm_scratch_up_to)(const tern_gemm *gemm, int threads)
{
    int64_t batch = gemm->batch > 0 ? gemm->batch : 1;
    int64_t pack = gemm->b_packed ? 0 : aligned(gemm->k * tern_panel_width(gemm->n));

    (void)threads;
    return (size_t)(pack * batch + WANTED_TASKS * TERN_TILE_ROWS * TERN_TILE_COLUMNS) *
           sizeof(float);
}
