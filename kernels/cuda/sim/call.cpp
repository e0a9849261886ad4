/* From an op's call to the simulated GPU of its context, and errors back. */
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/sim/machine.h"

static tern_sim *sim_of(tern_call *call)
{
    return static_cast<tern_sim *>(tern_backend_state(call->ctx));
}

bool tern_sim_call(tern_call *call, const char *name, const void *function, const tern_grid &grid,
                   void (*run)(const void *arguments), const void *arguments)
{
    tern_error error = {};
    const dim3 blocks = grid.blocks, threads = grid.threads;
    const tern_sim_launch launch = { name, function, blocks, threads, grid.shared_bytes, run,
                                     arguments };
    if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0 ||
        tern_sim_run(sim_of(call), &launch, &error))
        return true;
    tern_call_fail(call, error.code, "kernel %s <<<%ux%ux%u, %ux%ux%u>>>: %s", name, blocks.x,
                   blocks.y, blocks.z, threads.x, threads.y, threads.z, error.message);
    return false;
}

bool tern_sim_call_allow(tern_call *call, const char *name, const void *function, size_t bytes)
{
    tern_error error = {};
    if (tern_sim_allow_shared(sim_of(call), function, bytes, &error))
        return true;
    tern_call_fail(call, error.code, "kernel %s: %s", name, error.message);
    return false;
}
