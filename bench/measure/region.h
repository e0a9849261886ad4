/* Memory to measure in: zeroed when first touched, in huge pages where the system gives them,
 * as the memory of a step is (core/host_backend.c). */
#ifndef TERN_BENCH_MEASURE_REGION_H
#define TERN_BENCH_MEASURE_REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

typedef struct bench_region {
    void *data; /* on a boundary of 2 MiB */
    size_t bytes;
    void *mapping;
} bench_region;

bool bench_region_open(bench_region *region, size_t bytes, tern_error *error);
void bench_region_close(bench_region *region);

#endif
