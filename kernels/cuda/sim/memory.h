/* The simulated GPU's memory: the process's own, but out of reach for it.
 *
 * A page can be touched only while a kernel runs or a copy is made.  Code on the host
 * that follows a device pointer stops with a segmentation fault, as it does with a
 * real GPU, and copies refuse addresses that are not device memory.
 */
#ifndef TERN_KERNELS_CUDA_SIM_MEMORY_H
#define TERN_KERNELS_CUDA_SIM_MEMORY_H

#include "core/error.h"

#include <stddef.h>

struct tern_sim_region {
    char *base;
    size_t reserved, committed;
};

struct tern_sim_memory {
    tern_sim_region *regions;
    int count;
};

void *tern_sim_memory_reserve(tern_sim_memory *memory, size_t bytes, tern_error *error);
bool tern_sim_memory_commit(tern_sim_memory *memory, void *base, size_t bytes, tern_error *error);
void tern_sim_memory_release(tern_sim_memory *memory, void *base);
void tern_sim_memory_close(tern_sim_memory *memory);

/* Make all committed memory accessible, and out of reach again. */
bool tern_sim_memory_show(tern_sim_memory *memory, tern_error *error);
bool tern_sim_memory_hide(tern_sim_memory *memory, tern_error *error);

/* False and an error unless all bytes from there on are committed device memory. */
bool tern_sim_memory_check(const tern_sim_memory *memory, const void *address, size_t bytes,
                           const char *what, tern_error *error);

#endif
