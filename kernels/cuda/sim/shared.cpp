/* Shared memory of the block that runs.
 *
 * A static variable gets its place when a thread first comes to its declaration, and
 * keeps it for the whole launch.  Before each block everything is filled with 0xFF
 * bytes (NaN, -1), as no block may count on what the one before left behind.
 */
#include "kernels/cuda/sim/machine.h"

#include <stdlib.h>

enum { ALIGNMENT = 16, POISON = 0xFF };

bool tern_sim_shared_open(tern_sim_shared *shared, tern_error *error)
{
    shared->fixed = static_cast<char *>(aligned_alloc(ALIGNMENT, TERN_SIM_SHARED_BYTES));
    shared->dynamic = static_cast<char *>(aligned_alloc(ALIGNMENT, TERN_SIM_SHARED_MOST));
    return (shared->fixed && shared->dynamic) ||
           tern_error_set(error, TERN_ERR_MEMORY, "no memory for simulated shared memory");
}

void tern_sim_shared_close(tern_sim_shared *shared)
{
    free(shared->fixed);
    free(shared->dynamic);
}

void tern_sim_shared_begin_launch(tern_sim_shared *shared, size_t most_bytes)
{
    shared->variable_count = 0;
    shared->fixed_bytes = 0;
    shared->most_bytes = most_bytes;
}

void tern_sim_shared_begin_block(tern_sim_shared *shared, size_t dynamic_bytes)
{
    memset(shared->fixed, POISON, shared->fixed_bytes);
    memset(shared->dynamic, POISON, dynamic_bytes);
}

void *tern_sim_dynamic_shared()
{
    return static_cast<tern_sim_thread *>(tern_sim_here)->sim->shared.dynamic;
}

static tern_sim_shared_variable *add_variable(tern_sim_thread *thread, const void *variable,
                                              const char *name, size_t bytes)
{
    tern_sim_shared *shared = &thread->sim->shared;
    size_t offset = (shared->fixed_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t dynamic = thread->sim->launch->shared_bytes;
    if (bytes > TERN_SIM_SHARED_BYTES || offset + bytes > TERN_SIM_SHARED_BYTES)
        tern_sim_fail(thread,
                      "shared variable %s needs %zu bytes, of %d bytes of static shared memory %zu "
                      "are left",
                      name, bytes, static_cast<int>(TERN_SIM_SHARED_BYTES),
                      TERN_SIM_SHARED_BYTES - offset);
    if (offset + bytes + dynamic > shared->most_bytes)
        tern_sim_fail(thread,
                      "%zu bytes of static and %zu of dynamic shared memory are more than the %zu "
                      "that this kernel may have (tern_allow_shared allows more)",
                      offset + bytes, dynamic, shared->most_bytes);
    if (shared->variable_count == tern_sim_shared::MOST_VARIABLES)
        tern_sim_fail(thread, "the simulator keeps %d shared variables of a kernel, %s is one more",
                      static_cast<int>(tern_sim_shared::MOST_VARIABLES), name);
    tern_sim_shared_variable *added = &shared->variables[shared->variable_count++];
    *added = { variable, offset, bytes };
    shared->fixed_bytes = offset + bytes;
    memset(shared->fixed + offset, POISON, bytes);
    return added;
}

void *tern_sim_static_shared(const void *variable, const char *name, size_t bytes)
{
    tern_sim_thread *thread = static_cast<tern_sim_thread *>(tern_sim_here);
    tern_sim_shared *shared = &thread->sim->shared;
    for (int i = 0; i < shared->variable_count; i++)
        if (shared->variables[i].variable == variable)
            return shared->fixed + shared->variables[i].offset;
    return shared->fixed + add_variable(thread, variable, name, bytes)->offset;
}
