/* How often memory was taken from the heap.  Programs that ask have an allocator that counts,
 * so this is a file of its own. */
#ifndef TERN_BENCH_MEASURE_HEAP_H
#define TERN_BENCH_MEASURE_HEAP_H

#include <stdint.h>

/* Calls of malloc, calloc and realloc in this process so far.  Calls from inside of
 * shared libraries count too. */
uint64_t bench_heap_allocations(void);

#endif
