/* A bump allocator for small host objects that die together: tensor headers,
 * option structs and names of one step.  Reset keeps the chunks, so that a step
 * like the one before allocates nothing.
 */
#ifndef TERN_CORE_BUMP_H
#define TERN_CORE_BUMP_H

#include <stddef.h>
#include <stdint.h>

typedef struct tern_bump_chunk tern_bump_chunk;

typedef struct tern_bump {
    tern_bump_chunk *first, *current;
    size_t used;          /* bytes of the current chunk */
    uint64_t allocations; /* chunks ever allocated      */
} tern_bump;

/* Zeroed memory, 16-byte aligned; NULL when the system has none. */
void *tern_bump_alloc(tern_bump *bump, size_t bytes);
char *tern_bump_text(tern_bump *bump, const char *text);
void tern_bump_reset(tern_bump *bump);
void tern_bump_free(tern_bump *bump);

#endif
