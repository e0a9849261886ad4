/* tern_launch on the simulated GPU; see kernels/cuda/cuda.h. */
#ifndef TERN_KERNELS_CUDA_SIM_LAUNCH_H
#define TERN_KERNELS_CUDA_SIM_LAUNCH_H

#include <tuple>

/* Run a kernel, of which only the address is known here: run(arguments) is its body in
 * one thread.  In sim/call.cpp. */
bool tern_sim_call(tern_call *call, const char *name, const void *function, const tern_grid &grid,
                   void (*run)(const void *arguments), const void *arguments);
bool tern_sim_call_allow(tern_call *call, const char *name, const void *function, size_t bytes);

template <typename... Parameters> struct tern_sim_arguments {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> values;

    static void run(const void *address)
    {
        const tern_sim_arguments *self = static_cast<const tern_sim_arguments *>(address);
        std::apply(self->kernel, self->values);
    }
};

template <typename... Parameters, typename... Arguments>
bool tern_launch(tern_call *call, const char *name, void (*kernel)(Parameters...),
                 const tern_grid &grid, Arguments... arguments)
{
    const tern_sim_arguments<Parameters...> given = { kernel, { arguments... } };
    return tern_sim_call(call, name, reinterpret_cast<const void *>(kernel), grid,
                         tern_sim_arguments<Parameters...>::run, &given);
}

template <typename... Parameters>
bool tern_allow_shared(tern_call *call, const char *name, void (*kernel)(Parameters...),
                       size_t bytes)
{
    return tern_sim_call_allow(call, name, reinterpret_cast<const void *>(kernel), bytes);
}

#endif
