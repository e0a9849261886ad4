/* A context's GPU: what backend.cu and memory.cu share. */
#ifndef TERN_KERNELS_CUDA_DEVICE_H
#define TERN_KERNELS_CUDA_DEVICE_H

#include <cuda.h>

#include "kernels/cuda/cuda.h"

/* The driver's functions for virtual memory.  They are looked up at run time: linked
 * against libcuda.so.1, the plugin could not even be opened on a machine without it,
 * nor say what is missing there. */
struct tern_cuda_driver {
    void *library;
    decltype(&cuMemGetAllocationGranularity) granularity;
    decltype(&cuMemAddressReserve) reserve;
    decltype(&cuMemAddressFree) unreserve;
    decltype(&cuMemCreate) create;
    decltype(&cuMemRelease) release;
    decltype(&cuMemMap) map;
    decltype(&cuMemUnmap) unmap;
    decltype(&cuMemSetAccess) set_access;
    decltype(&cuGetErrorString) error_string;
};

/* Physical memory that is mapped to a part of a region. */
struct tern_cuda_chunk {
    size_t offset, bytes;
    CUmemGenericAllocationHandle handle;
};

/* Reserved addresses, of which a prefix of whole chunks can be used. */
struct tern_cuda_region {
    CUdeviceptr base;
    size_t reserved, mapped;
    tern_cuda_chunk *chunks;
    int chunk_count;
};

enum { TERN_CUDA_REMEMBERED = 4 };

struct tern_cuda {
    tern_cuda_driver driver;
    int device;
    cudaStream_t stream;
    size_t granularity;
    tern_cuda_region *regions;
    int region_count;
    /* The last launches, newest last: the suspects when the device reports an error. */
    struct {
        const char *op, *kernel;
    } launches[TERN_CUDA_REMEMBERED];
};

/* --- memory.cu --- */
bool tern_cuda_memory_open(tern_cuda *cuda, tern_error *error);
void tern_cuda_memory_close(tern_cuda *cuda);
void *tern_cuda_reserve(void *state, size_t bytes, tern_error *error);
bool tern_cuda_commit(void *state, void *base, size_t old_bytes, size_t new_bytes,
                      tern_error *error);
void tern_cuda_release(void *state, void *base, size_t bytes);

#endif
