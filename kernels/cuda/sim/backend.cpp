/* The backend cuda-sim: the simulated GPU as core sees a device. */
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/sim/machine.h"

static tern_sim *sim_of(void *state)
{
    return static_cast<tern_sim *>(state);
}

static void *sim_open(tern_error *error)
{
    return tern_sim_open(error);
}

static void sim_close(void *state)
{
    tern_sim_close(sim_of(state));
}

static void *sim_reserve(void *state, size_t bytes, tern_error *error)
{
    return tern_sim_memory_reserve(&sim_of(state)->memory, bytes, error);
}

static bool sim_commit(void *state, void *base, size_t, size_t new_bytes, tern_error *error)
{
    return tern_sim_memory_commit(&sim_of(state)->memory, base, new_bytes, error);
}

static void sim_release(void *state, void *base, size_t)
{
    tern_sim_memory_release(&sim_of(state)->memory, base);
}

/* Copies wait for no kernel, as launches here return when all is done. */
static bool move_bytes(tern_sim_memory *memory, void *to, const void *from, size_t bytes,
                       tern_error *error)
{
    if (!tern_sim_memory_show(memory, error))
        return false;
    memmove(to, from, bytes);
    return tern_sim_memory_hide(memory, error);
}

static bool sim_copy_in(void *state, void *device, const void *host, size_t bytes,
                        tern_error *error)
{
    tern_sim_memory *memory = &sim_of(state)->memory;
    return tern_sim_memory_check(memory, device, bytes, "copy to the device", error) &&
           move_bytes(memory, device, host, bytes, error);
}

static bool sim_copy_out(void *state, void *host, const void *device, size_t bytes,
                         tern_error *error)
{
    tern_sim_memory *memory = &sim_of(state)->memory;
    return tern_sim_memory_check(memory, device, bytes, "copy from the device", error) &&
           move_bytes(memory, host, device, bytes, error);
}

static bool sim_copy(void *state, void *to, const void *from, size_t bytes, tern_error *error)
{
    tern_sim_memory *memory = &sim_of(state)->memory;
    return tern_sim_memory_check(memory, to, bytes, "copy within the device", error) &&
           tern_sim_memory_check(memory, from, bytes, "copy within the device", error) &&
           move_bytes(memory, to, from, bytes, error);
}

static bool sim_fill(void *state, void *device, int byte, size_t bytes, tern_error *error)
{
    tern_sim_memory *memory = &sim_of(state)->memory;
    if (!tern_sim_memory_check(memory, device, bytes, "fill", error) ||
        !tern_sim_memory_show(memory, error))
        return false;
    memset(device, byte, bytes);
    return tern_sim_memory_hide(memory, error);
}

static bool sim_synchronise(void *, tern_error *)
{
    return true;
}

const tern_backend tern_cuda_backend = {
    TERN_CUDA_DEVICE,
    TERN_F32,
    false, /* host_memory */
    true,  /* computes    */
    sim_open,
    sim_close,
    sim_reserve,
    sim_commit,
    sim_release,
    sim_copy_in,
    sim_copy_out,
    sim_fill,
    sim_copy,
    sim_synchronise,
    nullptr, /* discard */
};
