/* Device memory whose addresses never move: regions of reserved addresses, into which
 * physical memory is mapped chunk by chunk as they grow.
 *
 *     base                                                        base + reserved
 *      +-----------+-----------+----------------+ - - - - - - - - - - - - - - -+
 *      |  chunk 0  |  chunk 1  |    chunk 2     |     addresses, no memory      |
 *      +-----------+-----------+----------------+ - - - - - - - - - - - - - - -+
 *                                               ^ mapped
 *
 * Growth is by whole chunks of at least CHUNK_BYTES, so a step that is recorded for
 * the first time does not map memory for each tensor.  When a region shrinks, the
 * chunks beyond its new size are given back, last first.
 */
#include "kernels/cuda/device.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const size_t CHUNK_BYTES = (size_t)32 << 20;

/* ----------------------------------------------------------------- driver -- */

template <typename Function>
static bool find(tern_cuda_driver *driver, const char *name, Function *function, tern_error *error)
{
    void *symbol = dlsym(driver->library, name);
    if (!symbol)
        return tern_error_set(error, TERN_ERR_MISSING,
                              "the NVIDIA driver (libcuda.so.1) has no %s: it is too old", name);
    memcpy(function, &symbol, sizeof *function);
    return true;
}

static bool find_functions(tern_cuda_driver *driver, tern_error *error)
{
    return find(driver, "cuMemGetAllocationGranularity", &driver->granularity, error) &&
           find(driver, "cuMemAddressReserve", &driver->reserve, error) &&
           find(driver, "cuMemAddressFree", &driver->unreserve, error) &&
           find(driver, "cuMemCreate", &driver->create, error) &&
           find(driver, "cuMemRelease", &driver->release, error) &&
           find(driver, "cuMemMap", &driver->map, error) &&
           find(driver, "cuMemUnmap", &driver->unmap, error) &&
           find(driver, "cuMemSetAccess", &driver->set_access, error) &&
           find(driver, "cuGetErrorString", &driver->error_string, error);
}

static const char *explain(const tern_cuda *cuda, CUresult status)
{
    const char *text = NULL;
    cuda->driver.error_string(status, &text);
    return text ? text : "unknown error";
}

/* Memory of this device, readable and writable by it. */
static CUmemAllocationProp properties(const tern_cuda *cuda)
{
    CUmemAllocationProp wanted = {};
    wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED; /* resident in device memory */
    wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    wanted.location.id = cuda->device;
    return wanted;
}

bool tern_cuda_memory_open(tern_cuda *cuda, tern_error *error)
{
    cuda->driver.library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!cuda->driver.library)
        return tern_error_set(error, TERN_ERR_MISSING, "there is no NVIDIA driver: %s", dlerror());
    if (!find_functions(&cuda->driver, error))
        return false;
    CUmemAllocationProp wanted = properties(cuda);
    CUresult status = cuda->driver.granularity(&cuda->granularity, &wanted,
                                               CU_MEM_ALLOC_GRANULARITY_RECOMMENDED);
    if (status != CUDA_SUCCESS)
        return tern_error_set(error, TERN_ERR_DEVICE,
                              "the device has no virtual memory management: %s",
                              explain(cuda, status));
    return true;
}

static size_t rounded(const tern_cuda *cuda, size_t bytes)
{
    return (bytes + cuda->granularity - 1) / cuda->granularity * cuda->granularity;
}

/* ---------------------------------------------------------------- regions -- */

static tern_cuda_region *find_region(tern_cuda *cuda, const void *base)
{
    for (int i = 0; i < cuda->region_count; i++)
        if (cuda->regions[i].base == reinterpret_cast<CUdeviceptr>(base))
            return &cuda->regions[i];
    return NULL;
}

void *tern_cuda_reserve(void *state, size_t bytes, tern_error *error)
{
    tern_cuda *cuda = static_cast<tern_cuda *>(state);
    size_t count = (size_t)cuda->region_count + 1, size = rounded(cuda, bytes);
    void *grown = realloc(cuda->regions, count * sizeof *cuda->regions);
    if (!grown) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for the list of device regions");
        return NULL;
    }
    cuda->regions = static_cast<tern_cuda_region *>(grown);
    tern_cuda_region region = {};
    CUresult status = cuda->driver.reserve(&region.base, size, 0, 0, 0);
    if (status != CUDA_SUCCESS) {
        tern_error_set(error, TERN_ERR_MEMORY, "cannot reserve %zu MiB of device addresses: %s",
                       size >> 20, explain(cuda, status));
        return NULL;
    }
    region.reserved = size;
    cuda->regions[cuda->region_count++] = region;
    return reinterpret_cast<void *>(region.base);
}

static void unmap_last(tern_cuda *cuda, tern_cuda_region *region)
{
    const tern_cuda_chunk *chunk = &region->chunks[--region->chunk_count];
    cuda->driver.unmap(region->base + chunk->offset, chunk->bytes);
    cuda->driver.release(chunk->handle);
    region->mapped = chunk->offset;
}

static bool map_chunk(tern_cuda *cuda, tern_cuda_region *region, size_t bytes, tern_error *error)
{
    CUmemAllocationProp wanted = properties(cuda);
    CUmemAccessDesc access = { wanted.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
    size_t count = (size_t)region->chunk_count + 1, free_bytes = 0, total_bytes = 0;
    tern_cuda_chunk chunk = { region->mapped, bytes, 0 };
    void *grown = realloc(region->chunks, count * sizeof *region->chunks);
    if (!grown)
        return tern_error_set(error, TERN_ERR_MEMORY, "no memory for the list of device chunks");
    region->chunks = static_cast<tern_cuda_chunk *>(grown);
    CUdeviceptr address = region->base + chunk.offset;
    CUresult status = cuda->driver.create(&chunk.handle, bytes, &wanted, 0);
    if (status != CUDA_SUCCESS) {
        cudaMemGetInfo(&free_bytes, &total_bytes);
        return tern_error_set(error, TERN_ERR_MEMORY,
                              "%zu MiB more of device memory are needed, %zu of %zu MiB are "
                              "free: %s",
                              bytes >> 20, free_bytes >> 20, total_bytes >> 20,
                              explain(cuda, status));
    }
    status = cuda->driver.map(address, bytes, 0, chunk.handle, 0);
    if (status == CUDA_SUCCESS) {
        region->chunks[region->chunk_count++] = chunk;
        region->mapped += bytes;
        status = cuda->driver.set_access(address, bytes, &access, 1);
        if (status == CUDA_SUCCESS)
            return true;
        unmap_last(cuda, region);
    } else {
        cuda->driver.release(chunk.handle);
    }
    return tern_error_set(error, TERN_ERR_DEVICE, "cannot map %zu MiB of device memory: %s",
                          bytes >> 20, explain(cuda, status));
}

bool tern_cuda_commit(void *state, void *base, size_t, size_t new_bytes, tern_error *error)
{
    tern_cuda *cuda = static_cast<tern_cuda *>(state);
    tern_cuda_region *region = find_region(cuda, base);
    if (!region || new_bytes > region->reserved)
        return tern_error_set(error, TERN_ERR_DEVICE, "%zu bytes at %p are not reserved", new_bytes,
                              base);
    if (new_bytes > region->mapped) {
        size_t missing = rounded(cuda, new_bytes - region->mapped);
        size_t chunk = missing > CHUNK_BYTES ? missing : CHUNK_BYTES;
        size_t room = region->reserved - region->mapped;
        return map_chunk(cuda, region, chunk < room ? chunk : room, error);
    }
    bool waited = false;
    while (region->chunk_count > 0 &&
           region->chunks[region->chunk_count - 1].offset >= new_bytes) {
        if (!waited)
            cudaStreamSynchronize(cuda->stream); /* kernels may still use it */
        waited = true;
        unmap_last(cuda, region);
    }
    return true;
}

void tern_cuda_release(void *state, void *base, size_t)
{
    tern_cuda *cuda = static_cast<tern_cuda *>(state);
    tern_cuda_region *region = find_region(cuda, base);
    if (!region)
        return;
    cudaStreamSynchronize(cuda->stream);
    while (region->chunk_count > 0)
        unmap_last(cuda, region);
    cuda->driver.unreserve(region->base, region->reserved);
    free(region->chunks);
    *region = cuda->regions[--cuda->region_count];
}

void tern_cuda_memory_close(tern_cuda *cuda)
{
    while (cuda->region_count > 0)
        tern_cuda_release(cuda, reinterpret_cast<void *>(cuda->regions[0].base), 0);
    free(cuda->regions);
    if (cuda->driver.library)
        dlclose(cuda->driver.library);
}
