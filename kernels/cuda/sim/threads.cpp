/* What a simulated thread calls: barriers and shuffles.
 *
 * Each notes in the thread what it waits for and hands over to the scheduler, which
 * lets it go on when everybody has come (block.cpp).
 */
#include "kernels/cuda/sim/machine.h"

#include <stdarg.h>
#include <stdio.h>

__thread tern_sim_place *tern_sim_here;

static tern_sim_thread *self()
{
    return static_cast<tern_sim_thread *>(tern_sim_here);
}

static void wait(tern_sim_thread *thread, tern_sim_state state, const tern_sim_site &site)
{
    thread->state = state;
    thread->site = site;
    tern_fiber_switch(&thread->fiber, &thread->sim->scheduler);
}

void tern_sim_thread_main()
{
    tern_fiber_entered();
    tern_sim_thread *thread = self();
    const tern_sim_launch *launch = thread->sim->launch;
    launch->run(launch->arguments);
    thread->state = TERN_SIM_ENDED;
    thread->sim->alive--;
    tern_fiber_leave(&thread->fiber, &thread->sim->scheduler);
}

void tern_sim_fail(tern_sim_thread *thread, const char *format, ...)
{
    char text[TERN_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tern_error_set(&thread->sim->error, TERN_ERR_DEVICE, "block (%u,%u,%u), thread (%u,%u,%u): %s",
                   thread->block.x, thread->block.y, thread->block.z, thread->thread.x,
                   thread->thread.y, thread->thread.z, text);
    tern_fiber_leave(&thread->fiber, &thread->sim->scheduler);
}

void tern_sim_wait_block(tern_sim_site site)
{
    wait(self(), TERN_SIM_AT_BLOCK, site);
}

static void check_mask(tern_sim_thread *thread, unsigned mask, const tern_sim_site &site)
{
    if (mask != 0xFFFFFFFFu)
        tern_sim_fail(thread,
                      "%s at %s:%d has mask 0x%08X; the simulator knows full masks (0xFFFFFFFF) only",
                      site.operation, site.file, site.line, mask);
}

void tern_sim_wait_warp(unsigned mask, tern_sim_site site)
{
    tern_sim_thread *thread = self();
    check_mask(thread, mask, site);
    thread->source = -1;
    wait(thread, TERN_SIM_AT_WARP, site);
}

/* As the CUDA guide defines it: a warp is cut into segments of `width` lanes; a lane
 * that would read beyond its segment reads itself (but xor may read earlier ones). */
static int source_lane(tern_sim_shuffle kind, int lane, int operand, int width)
{
    int first = lane & ~(width - 1), end = first + width, source = lane;
    switch (kind) {
    case TERN_SIM_INDEX: return first + (operand & (width - 1));
    case TERN_SIM_UP: source = lane - operand; break;
    case TERN_SIM_DOWN: source = lane + operand; break;
    case TERN_SIM_XOR: source = lane ^ operand; first = 0; break;
    }
    return source >= first && source < end ? source : lane;
}

uint64_t tern_sim_exchange(unsigned mask, uint64_t bits, tern_sim_shuffle kind, int operand,
                           int width, tern_sim_site site)
{
    tern_sim_thread *thread = self();
    check_mask(thread, mask, site);
    if (width < 1 || width > TERN_SIM_WARP || (width & (width - 1)))
        tern_sim_fail(thread, "%s at %s:%d has width %d; a power of two up to 32 is wanted",
                      site.operation, site.file, site.line, width);
    thread->given = bits;
    thread->source = source_lane(kind, thread->number % TERN_SIM_WARP, operand, width);
    wait(thread, TERN_SIM_AT_WARP, site);
    return thread->taken;
}
