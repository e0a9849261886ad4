/* The backend cuda: finding a GPU, copies on the context's stream, errors. */
#include "kernels/cuda/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tern_cuda *cuda_of(void *state)
{
    return static_cast<tern_cuda *>(state);
}

/* ---------------------------------------------------------------- opening -- */

/* The driver, and one that is new enough. */
static bool check_driver(tern_error *error)
{
    int supported = 0;
    cudaDriverGetVersion(&supported);
    if (supported == 0)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "there is no NVIDIA driver on this machine (libcuda.so.1)");
    if (supported / 1000 < CUDART_VERSION / 1000)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "the NVIDIA driver supports CUDA %d.%d, this plugin was built with "
                              "%d.%d: a newer driver or an older toolkit is needed",
                              supported / 1000, supported % 1000 / 10, CUDART_VERSION / 1000,
                              CUDART_VERSION % 1000 / 10);
    return true;
}

/* The first device that CUDA_VISIBLE_DEVICES leaves, if a kernel can run on it. */
static bool check_device(tern_cuda *cuda, tern_error *error)
{
    int count = 0, major = 0, minor = 0;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "the NVIDIA driver finds no device (CUDA_VISIBLE_DEVICES is %s): %s",
                              visible ? visible : "not set", cudaGetErrorString(status));
    status = cudaSetDevice(cuda->device);
    if (status == cudaSuccess)
        status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, cuda->device);
    if (status == cudaSuccess)
        status = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, cuda->device);
    if (status != cudaSuccess)
        return tern_error_set(error, TERN_ERR_DEVICE, "device %d: %s", cuda->device,
                              cudaGetErrorString(status));
    if (10 * major + minor < TERN_CUDA_OLDEST)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "device %d has compute capability %d.%d, this plugin is built for "
                              "%d.%d and later (make cuda CUDA_CHIPS=...)",
                              cuda->device, major, minor, TERN_CUDA_OLDEST / 10,
                              TERN_CUDA_OLDEST % 10);
    return true;
}

static bool make_stream(tern_cuda *cuda, tern_error *error)
{
    cudaError_t status = cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking);
    return status == cudaSuccess ||
           tern_error_set(error, TERN_ERR_DEVICE, "device %d: no stream: %s", cuda->device,
                          cudaGetErrorString(status));
}

static void cuda_close(void *state)
{
    tern_cuda *cuda = cuda_of(state);
    tern_cuda_memory_close(cuda);
    if (cuda->stream)
        cudaStreamDestroy(cuda->stream);
    free(cuda);
}

static void *cuda_open(tern_error *error)
{
    tern_cuda *cuda = static_cast<tern_cuda *>(calloc(1, sizeof *cuda));
    if (!cuda) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for a GPU's state");
        return NULL;
    }
    if (check_driver(error) && check_device(cuda, error) && make_stream(cuda, error) &&
        tern_cuda_memory_open(cuda, error))
        return cuda;
    tern_error_prefix(error, "device cuda");
    cuda_close(cuda);
    return NULL;
}

/* ----------------------------------------------------------------- errors -- */

/* Something a kernel did comes to light when the host waits or copies, so all that can
 * be said is which kernels ran last. */
static bool report(const tern_cuda *cuda, const char *what, cudaError_t status, tern_error *error)
{
    char suspects[400] = "";
    size_t used = 0;
    if (status == cudaSuccess)
        return true;
    for (const auto &launch : cuda->launches)
        if (launch.kernel && used < sizeof suspects)
            used += (size_t)snprintf(suspects + used, sizeof suspects - used, "%s%s: %s",
                                     used ? ", " : "; the last kernels launched: ", launch.op,
                                     launch.kernel);
    return tern_error_set(error, TERN_ERR_DEVICE, "%s: %s%s%s", what, cudaGetErrorString(status),
                          suspects, used ? " (CUDA_LAUNCH_BLOCKING=1 names the one at fault)" : "");
}

cudaStream_t tern_cuda_stream(tern_call *call)
{
    return cuda_of(tern_backend_state(call->ctx))->stream;
}

bool tern_cuda_launched(tern_call *call, const char *name, const tern_grid &grid,
                        cudaError_t status)
{
    tern_cuda *cuda = cuda_of(tern_backend_state(call->ctx));
    memmove(cuda->launches, cuda->launches + 1, sizeof cuda->launches - sizeof *cuda->launches);
    cuda->launches[TERN_CUDA_REMEMBERED - 1] = { call->op->name, name };
    if (status == cudaSuccess)
        return true;
    tern_call_fail(call, TERN_ERR_DEVICE, "kernel %s <<<%ux%ux%u, %ux%ux%u, %zu>>>: %s", name,
                   grid.blocks.x, grid.blocks.y, grid.blocks.z, grid.threads.x, grid.threads.y,
                   grid.threads.z, grid.shared_bytes, cudaGetErrorString(status));
    return false;
}

bool tern_cuda_allow_shared(tern_call *call, const char *name, const void *kernel, size_t bytes)
{
    cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              static_cast<int>(bytes));
    if (status == cudaSuccess)
        return true;
    cudaGetLastError(); /* the next launch is not to blame for it */
    tern_call_fail(call, TERN_ERR_DEVICE, "kernel %s: %zu bytes of shared memory: %s", name, bytes,
                   cudaGetErrorString(status));
    return false;
}

/* ----------------------------------------------------------------- copies -- */

static bool cuda_synchronise(void *state, tern_error *error)
{
    tern_cuda *cuda = cuda_of(state);
    return report(cuda, "waiting for the device", cudaStreamSynchronize(cuda->stream), error);
}

/* The caller may change its memory as soon as this returns: the runtime has read
 * pageable memory by then. */
static bool cuda_copy_in(void *state, void *device, const void *host, size_t bytes,
                         tern_error *error)
{
    tern_cuda *cuda = cuda_of(state);
    return report(cuda, "copy to the device",
                  cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda->stream),
                  error);
}

static bool cuda_copy_out(void *state, void *host, const void *device, size_t bytes,
                          tern_error *error)
{
    tern_cuda *cuda = cuda_of(state);
    return report(cuda, "copy from the device",
                  cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cuda->stream),
                  error) &&
           cuda_synchronise(state, error);
}

static bool cuda_copy(void *state, void *to, const void *from, size_t bytes, tern_error *error)
{
    tern_cuda *cuda = cuda_of(state);
    return report(cuda, "copy within the device",
                  cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda->stream), error);
}

static bool cuda_fill(void *state, void *device, int byte, size_t bytes, tern_error *error)
{
    tern_cuda *cuda = cuda_of(state);
    return report(cuda, "fill", cudaMemsetAsync(device, byte, bytes, cuda->stream), error);
}

const tern_backend tern_cuda_backend = {
    TERN_CUDA_DEVICE,
    TERN_F32,
    false, /* host_memory */
    true,  /* computes    */
    cuda_open,
    cuda_close,
    tern_cuda_reserve,
    tern_cuda_commit,
    tern_cuda_release,
    cuda_copy_in,
    cuda_copy_out,
    cuda_fill,
    cuda_copy,
    cuda_synchronise,
    nullptr, /* discard */
};
