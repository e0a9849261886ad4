/* How a block runs: its threads take turns on one thread of the process.
 *
 *   scheduler            thread 0          thread 1            thread 31       warp 1 ...
 *      | resume             .                 .                   .
 *      |------------------->| kernel          .                   .
 *      |<-------------------| shuffle         .                   .
 *      |------------------------------------->| kernel            .
 *      |<-------------------------------------| shuffle           .
 *      |                                            ...           |
 *      | all 32 lanes wait at the same shuffle: exchange their values,
 *      | they are ready again
 *      |------------------->| kernel          .                   .
 *      |<-------------------| __syncthreads   .                   .
 *      |                                            ...
 *      | no lane of warp 0 is ready: go on with another warp
 *      |
 *      | no warp is ready, all threads wait at the same __syncthreads: all are ready
 *      |                                            ...
 *      | all threads have returned: the block is done
 *
 * A warp goes on as far as it can before another one is taken (in random order: a
 * warp is drawn after every step), so warps are as far apart in time as the barriers
 * let them be: that is what brings missing ones to light.
 *
 * When no thread is ready and no barrier is complete, nothing will ever happen: the
 * launch fails, and one thread that waits and one that it waits for are named.
 */
#include "kernels/cuda/sim/machine.h"

#include <stdio.h>
#include <string.h>

static int warp_count(const tern_sim *sim)
{
    return (sim->thread_count + TERN_SIM_WARP - 1) / TERN_SIM_WARP;
}

/* The last warp may have fewer lanes. */
static int lane_count(const tern_sim *sim, int warp)
{
    int left = sim->thread_count - warp * TERN_SIM_WARP;
    return left < TERN_SIM_WARP ? left : TERN_SIM_WARP;
}

static void start_threads(tern_sim *sim, uint3 block)
{
    const dim3 size = sim->launch->block;
    sim->alive = sim->thread_count;
    for (int i = 0; i < sim->thread_count; i++) {
        tern_sim_thread *thread = &sim->threads[i];
        unsigned number = static_cast<unsigned>(i);
        thread->thread = { number % size.x, number / size.x % size.y, number / size.x / size.y };
        thread->block = block;
        thread->block_size = size;
        thread->grid_size = sim->launch->grid;
        thread->state = TERN_SIM_READY;
        tern_fiber_start(&thread->fiber, tern_sim_thread_main);
    }
    for (int warp = 0; warp < warp_count(sim); warp++)
        sim->warp_ready[warp] = true;
}

/* -------------------------------------------------------------- turns -- */

/* A warp with ready lanes, or -1. */
static int next_warp(tern_sim *sim)
{
    int ready[TERN_SIM_BLOCK_THREADS / TERN_SIM_WARP], count = 0;
    for (int warp = 0; warp < warp_count(sim); warp++)
        if (sim->warp_ready[warp])
            ready[count++] = warp;
    if (count == 0)
        return -1;
    switch (sim->order.direction) {
    case TERN_SIM_FORWARD: break;
    case TERN_SIM_REVERSE: return ready[count - 1];
    case TERN_SIM_RANDOM:
        return ready[tern_sim_random_below(&sim->order, static_cast<unsigned>(count))];
    }
    return ready[0];
}

/* Each ready lane runs until it waits or returns.  False if one failed. */
static bool run_warp(tern_sim *sim, int warp)
{
    int turns[TERN_SIM_WARP], lanes = lane_count(sim, warp);
    tern_sim_order_fill(&sim->order, lanes, turns);
    for (int i = 0; i < lanes && !sim->error.code; i++) {
        tern_sim_thread *thread = &sim->threads[warp * TERN_SIM_WARP + turns[i]];
        if (thread->state != TERN_SIM_READY)
            continue;
        tern_sim_here = thread;
        tern_fiber_switch(&sim->scheduler, &thread->fiber);
        tern_sim_here = NULL;
    }
    sim->warp_ready[warp] = false;
    return !sim->error.code;
}

/* ----------------------------------------------------------- barriers -- */

static bool same_site(const tern_sim_site &a, const tern_sim_site &b)
{
    return a.line == b.line && strcmp(a.operation, b.operation) == 0 && strcmp(a.file, b.file) == 0;
}

/* Do all these threads wait in this state and at one place? */
static bool all_wait(const tern_sim_thread *threads, int count, tern_sim_state state)
{
    for (int i = 0; i < count; i++)
        if (threads[i].state != state || !same_site(threads[i].site, threads[0].site))
            return false;
    return true;
}

/* What a lane takes from one that does not exist is undefined in CUDA; here it is
 * all ones, a NaN. */
static void exchange(tern_sim_thread *lanes, int count)
{
    for (int i = 0; i < count; i++)
        if (lanes[i].source >= 0)
            lanes[i].taken = lanes[i].source < count ? lanes[lanes[i].source].given : ~(uint64_t)0;
}

static void release_warp(tern_sim *sim, int warp)
{
    tern_sim_thread *lanes = &sim->threads[warp * TERN_SIM_WARP];
    int count = lane_count(sim, warp);
    if (!all_wait(lanes, count, TERN_SIM_AT_WARP))
        return;
    exchange(lanes, count);
    for (int i = 0; i < count; i++)
        lanes[i].state = TERN_SIM_READY;
    sim->warp_ready[warp] = true;
}

static bool release_block(tern_sim *sim)
{
    if (!all_wait(sim->threads, sim->thread_count, TERN_SIM_AT_BLOCK))
        return false;
    for (int i = 0; i < sim->thread_count; i++)
        sim->threads[i].state = TERN_SIM_READY;
    for (int warp = 0; warp < warp_count(sim); warp++)
        sim->warp_ready[warp] = true;
    return true;
}

/* ------------------------------------------------------------- stalls -- */

static void describe(const tern_sim_thread *thread, char *text, size_t bytes)
{
    int used = snprintf(text, bytes, "thread (%u,%u,%u) ", thread->thread.x, thread->thread.y,
                        thread->thread.z);
    if (thread->state == TERN_SIM_ENDED)
        snprintf(text + used, bytes - static_cast<size_t>(used), "has returned");
    else
        snprintf(text + used, bytes - static_cast<size_t>(used), "waits in %s at %s:%d",
                 thread->site.operation, thread->site.file, thread->site.line);
}

/* Find a thread that waits in this state and one of its `group` neighbours that does
 * not do as it does. */
static bool find_disagreement(const tern_sim *sim, tern_sim_state state, int group,
                              const tern_sim_thread **waiting, const tern_sim_thread **other)
{
    for (int i = 0; i < sim->thread_count; i++) {
        if (sim->threads[i].state != state)
            continue;
        int first = i / group * group;
        int end = first + group < sim->thread_count ? first + group : sim->thread_count;
        *waiting = &sim->threads[i];
        for (int j = first; j < end; j++) {
            *other = &sim->threads[j];
            if ((*other)->state != state || !same_site((*other)->site, (*waiting)->site))
                return true;
        }
    }
    return false;
}

/* A warp that cannot go on is nearer to the cause than the threads that wait for it. */
static void explain_stall(tern_sim *sim, uint3 block)
{
    char reason[256], who[256];
    const tern_sim_thread *waiting, *other;
    bool in_warp = find_disagreement(sim, TERN_SIM_AT_WARP, TERN_SIM_WARP, &waiting, &other);
    if (!in_warp)
        find_disagreement(sim, TERN_SIM_AT_BLOCK, sim->thread_count, &waiting, &other);
    describe(waiting, who, sizeof who);
    describe(other, reason, sizeof reason);
    tern_error_set(&sim->error, TERN_ERR_DEVICE, "divergent %s in block (%u,%u,%u): %s, but %s",
                   in_warp ? "warp" : "barrier", block.x, block.y, block.z, who, reason);
}

bool tern_sim_run_block(tern_sim *sim, uint3 block)
{
    start_threads(sim, block);
    while (sim->alive > 0) {
        int warp = next_warp(sim);
        if (warp >= 0) {
            if (!run_warp(sim, warp))
                return false;
            release_warp(sim, warp);
        } else if (!release_block(sim)) {
            explain_stall(sim, block);
            return false;
        }
    }
    return true;
}
