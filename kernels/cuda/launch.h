/* tern_launch on a real GPU; see kernels/cuda/cuda.h. */
#ifndef TERN_KERNELS_CUDA_LAUNCH_H
#define TERN_KERNELS_CUDA_LAUNCH_H

/* In backend.cu. */
cudaStream_t tern_cuda_stream(tern_call *call);
/* Remember the launch for messages; false and the context's error if it failed. */
bool tern_cuda_launched(tern_call *call, const char *name, const tern_grid &grid,
                        cudaError_t status);
bool tern_cuda_allow_shared(tern_call *call, const char *name, const void *kernel, size_t bytes);

template <typename... Parameters, typename... Arguments>
bool tern_launch(tern_call *call, const char *name, void (*kernel)(Parameters...),
                 const tern_grid &grid, Arguments... arguments)
{
    if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0)
        return true;
    kernel<<<grid.blocks, grid.threads, grid.shared_bytes, tern_cuda_stream(call)>>>(arguments...);
    return tern_cuda_launched(call, name, grid, cudaGetLastError());
}

template <typename... Parameters>
bool tern_allow_shared(tern_call *call, const char *name, void (*kernel)(Parameters...),
                       size_t bytes)
{
    return tern_cuda_allow_shared(call, name, reinterpret_cast<const void *>(kernel), bytes);
}

#endif
