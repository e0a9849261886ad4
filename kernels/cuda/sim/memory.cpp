/* Regions of simulated device memory and the protection of their pages. */
#include "kernels/cuda/sim/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t bytes)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

void *tern_sim_memory_reserve(tern_sim_memory *memory, size_t bytes, tern_error *error)
{
    size_t count = static_cast<size_t>(memory->count) + 1;
    void *grown = realloc(memory->regions, count * sizeof *memory->regions);
    if (!grown) {
        tern_error_set(error, TERN_ERR_MEMORY, "no memory for the list of device regions");
        return NULL;
    }
    memory->regions = static_cast<tern_sim_region *>(grown);
    void *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        tern_error_set(error, TERN_ERR_MEMORY, "cannot reserve %zu MiB of address space: %s",
                       bytes >> 20, strerror(errno));
        return NULL;
    }
    memory->regions[memory->count++] = { static_cast<char *>(base), bytes, 0 };
    return base;
}

static tern_sim_region *find_region(tern_sim_memory *memory, const void *base)
{
    for (int i = 0; i < memory->count; i++)
        if (memory->regions[i].base == base)
            return &memory->regions[i];
    return NULL;
}

bool tern_sim_memory_commit(tern_sim_memory *memory, void *base, size_t bytes, tern_error *error)
{
    tern_sim_region *region = find_region(memory, base);
    if (!region || bytes > region->reserved)
        return tern_error_set(error, TERN_ERR_DEVICE, "%zu bytes at %p are not reserved", bytes,
                              base);
    size_t kept = whole_pages(bytes), had = whole_pages(region->committed);
    if (kept < had)
        madvise(region->base + kept, had - kept, MADV_DONTNEED);
    region->committed = bytes;
    return true;
}

void tern_sim_memory_release(tern_sim_memory *memory, void *base)
{
    tern_sim_region *region = find_region(memory, base);
    if (!region)
        return;
    munmap(region->base, region->reserved);
    *region = memory->regions[--memory->count];
}

void tern_sim_memory_close(tern_sim_memory *memory)
{
    while (memory->count > 0)
        tern_sim_memory_release(memory, memory->regions[0].base);
    free(memory->regions);
    *memory = {};
}

static bool protect(tern_sim_memory *memory, int protection, tern_error *error)
{
    for (int i = 0; i < memory->count; i++) {
        const tern_sim_region *region = &memory->regions[i];
        if (region->committed &&
            mprotect(region->base, whole_pages(region->committed), protection) != 0)
            return tern_error_set(error, TERN_ERR_DEVICE,
                                  "cannot change the protection of %zu MiB of device memory: %s",
                                  region->committed >> 20, strerror(errno));
    }
    return true;
}

bool tern_sim_memory_show(tern_sim_memory *memory, tern_error *error)
{
    return protect(memory, PROT_READ | PROT_WRITE, error);
}

bool tern_sim_memory_hide(tern_sim_memory *memory, tern_error *error)
{
    return protect(memory, PROT_NONE, error);
}

bool tern_sim_memory_check(const tern_sim_memory *memory, const void *address, size_t bytes,
                           const char *what, tern_error *error)
{
    const char *first = static_cast<const char *>(address);
    for (int i = 0; i < memory->count; i++) {
        const tern_sim_region *region = &memory->regions[i];
        size_t offset = static_cast<size_t>(first - region->base);
        if (first >= region->base && offset <= region->committed &&
            bytes <= region->committed - offset)
            return true;
    }
    return tern_error_set(error, TERN_ERR_DEVICE, "%s: %zu bytes at %p are not device memory", what,
                          bytes, address);
}
