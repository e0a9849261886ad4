/* The plugin's door: its backend, and every op that kernels/table.def marks cuda=1. */
#include "kernels/cuda/cuda.h"

#define DECLARE_0(name)
#define DECLARE_1(name) extern "C" const tern_impl tern_##name##_cuda;
#define TERN_OP(name, folder, cuda) DECLARE_##cuda(name)
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER

#define ENTRY_0(name)
#define ENTRY_1(name) &tern_##name##_cuda,
static const tern_impl *const impls[] = {
#define TERN_OP(name, folder, cuda) ENTRY_##cuda(name)
#include "kernels/table.def"
#undef TERN_OP
#undef TERN_PROVIDER
};

bool tern_plugin(int version, const tern_host *host, tern_error *error)
{
    if (version != TERN_PLUGIN_VERSION)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "it was built for plugin interface %d, the program has %d: build "
                              "both from the same source",
                              static_cast<int>(TERN_PLUGIN_VERSION), version);
    host->add_backend(host->registry, &tern_cuda_backend);
    for (const tern_impl *impl : impls)
        host->add_impl(host->registry, impl);
    return true;
}
