/* Launches: the limits of the chip, then block after block. */
#include "kernels/cuda/sim/machine.h"

#include <stdlib.h>

tern_sim *tern_sim_open(tern_error *error)
{
    tern_sim *sim = static_cast<tern_sim *>(calloc(1, sizeof *sim));
    if (sim)
        sim->threads = static_cast<tern_sim_thread *>(
            calloc(TERN_SIM_BLOCK_THREADS, sizeof *sim->threads));
    if (!sim || !sim->threads) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a simulated GPU");
        tern_sim_close(sim);
        return NULL;
    }
    for (int i = 0; i < TERN_SIM_BLOCK_THREADS; i++) {
        sim->threads[i].sim = sim;
        sim->threads[i].number = i;
    }
    if (!tern_sim_set_order(sim, getenv("TERN_SIM_ORDER"), error)) {
        tern_error_prefix(error, "TERN_SIM_ORDER");
        tern_sim_close(sim);
        return NULL;
    }
    if (!tern_sim_shared_open(&sim->shared, error)) {
        tern_sim_close(sim);
        return NULL;
    }
    return sim;
}

void tern_sim_close(tern_sim *sim)
{
    if (!sim)
        return;
    for (int i = 0; sim->threads && i < TERN_SIM_BLOCK_THREADS; i++)
        tern_fiber_free(&sim->threads[i].fiber);
    tern_sim_shared_close(&sim->shared);
    tern_sim_memory_close(&sim->memory);
    free(sim->threads);
    free(sim->allowances);
    free(sim);
}

bool tern_sim_set_order(tern_sim *sim, const char *order, tern_error *error)
{
    return tern_sim_order_parse(&sim->order, order, error);
}

/* ------------------------------------------------------------- limits -- */

static size_t allowance_of(const tern_sim *sim, const void *function)
{
    for (int i = 0; i < sim->allowance_count; i++)
        if (sim->allowances[i].function == function)
            return sim->allowances[i].shared_bytes;
    return 0;
}

bool tern_sim_allow_shared(tern_sim *sim, const void *function, size_t bytes, tern_error *error)
{
    if (bytes > TERN_SIM_SHARED_MOST)
        return tern_error_set(error, TERN_ERR_DEVICE,
                              "%zu bytes of shared memory are asked for, a block can have %d", bytes,
                              static_cast<int>(TERN_SIM_SHARED_MOST));
    for (int i = 0; i < sim->allowance_count; i++)
        if (sim->allowances[i].function == function) {
            sim->allowances[i].shared_bytes = bytes;
            return true;
        }
    size_t count = static_cast<size_t>(sim->allowance_count) + 1;
    void *grown = realloc(sim->allowances, count * sizeof *sim->allowances);
    if (!grown)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for a kernel's attributes");
    sim->allowances = static_cast<tern_sim_allowance *>(grown);
    sim->allowances[sim->allowance_count++] = { function, bytes };
    return true;
}

static bool check_limits(const tern_sim *sim, const tern_sim_launch *launch, tern_error *error)
{
    const dim3 grid = launch->grid, block = launch->block;
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (block.x > TERN_SIM_BLOCK_X || block.y > TERN_SIM_BLOCK_Y || block.z > TERN_SIM_BLOCK_Z ||
        threads < 1 || threads > TERN_SIM_BLOCK_THREADS)
        return tern_error_set(error, TERN_ERR_DEVICE,
                              "%llu threads in a block of %ux%ux%u; 1 to %d are possible, and at "
                              "most %dx%dx%d",
                              (unsigned long long)threads, block.x, block.y, block.z,
                              static_cast<int>(TERN_SIM_BLOCK_THREADS),
                              static_cast<int>(TERN_SIM_BLOCK_X), static_cast<int>(TERN_SIM_BLOCK_Y),
                              static_cast<int>(TERN_SIM_BLOCK_Z));
    if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > TERN_SIM_GRID_X ||
        grid.y > TERN_SIM_GRID_YZ || grid.z > TERN_SIM_GRID_YZ)
        return tern_error_set(error, TERN_ERR_DEVICE,
                              "a grid of %ux%ux%u blocks; 1 to %dx%dx%d are possible", grid.x,
                              grid.y, grid.z, static_cast<int>(TERN_SIM_GRID_X),
                              static_cast<int>(TERN_SIM_GRID_YZ), static_cast<int>(TERN_SIM_GRID_YZ));
    if (launch->shared_bytes > TERN_SIM_SHARED_BYTES &&
        launch->shared_bytes > allowance_of(sim, launch->function))
        return tern_error_set(error, TERN_ERR_DEVICE,
                              "%zu bytes of dynamic shared memory; beyond %d a kernel must be "
                              "allowed it by tern_allow_shared",
                              launch->shared_bytes, static_cast<int>(TERN_SIM_SHARED_BYTES));
    return true;
}

/* --------------------------------------------------------------- runs -- */

/* Stacks are made for as many threads as a launch needs, and kept. */
static bool prepare_threads(tern_sim *sim, const dim3 &block, tern_error *error)
{
    sim->thread_count = static_cast<int>(block.x * block.y * block.z);
    for (int i = 0; i < sim->thread_count; i++)
        if (!sim->threads[i].fiber.stack && !tern_fiber_make(&sim->threads[i].fiber, error))
            return false;
    return true;
}

static void run_blocks(tern_sim *sim, const dim3 &grid)
{
    uint64_t count = (uint64_t)grid.x * grid.y * grid.z;
    tern_sim_walk walk = tern_sim_order_walk(&sim->order, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = tern_sim_walk_next(&walk);
        uint3 block = { static_cast<unsigned>(number % grid.x),
                        static_cast<unsigned>(number / grid.x % grid.y),
                        static_cast<unsigned>(number / grid.x / grid.y) };
        tern_sim_shared_begin_block(&sim->shared, sim->launch->shared_bytes);
        if (!tern_sim_run_block(sim, block))
            return;
    }
}

bool tern_sim_run(tern_sim *sim, const tern_sim_launch *launch, tern_error *error)
{
    if (!check_limits(sim, launch, error) || !prepare_threads(sim, launch->block, error))
        return false;
    bool allowed_more = allowance_of(sim, launch->function) > 0;
    sim->launch = launch;
    sim->error = {};
    tern_sim_shared_begin_launch(&sim->shared,
                                 allowed_more ? TERN_SIM_SHARED_MOST : TERN_SIM_SHARED_BYTES);
    if (tern_sim_memory_show(&sim->memory, error)) {
        run_blocks(sim, launch->grid);
        tern_sim_memory_hide(&sim->memory, error);
    }
    sim->launch = NULL;
    if (sim->error.code)
        return tern_error_set(error, sim->error.code, "%s", sim->error.message);
    return !error->code;
}
