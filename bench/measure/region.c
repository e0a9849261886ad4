#include "bench/measure/region.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

bool bench_region_open(bench_region *region, size_t bytes, tern_error *error)
{
    uintptr_t mask = HUGE_PAGE_BYTES - 1;
    void *mapping = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        return tern_error_set(error, TERN_ERR_MEMORY, "measuring memory: the system refused %zu MiB",
                              bytes >> 20);
    *region = (bench_region){ (void *)(((uintptr_t)mapping + mask) & ~mask), bytes, mapping };
    /* Refused on some systems; then pages are small. */
    madvise(region->data, bytes, MADV_HUGEPAGE);
    return true;
}

void bench_region_close(bench_region *region)
{
    if (region->mapping)
        munmap(region->mapping, region->bytes + HUGE_PAGE_BYTES);
    *region = (bench_region){ 0 };
}
