/* Chunked bump allocation; see bump.h. */
#include "core/bump.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 256 * 1024, ALIGNMENT = 16 };

struct tern_bump_chunk {
    tern_bump_chunk *next;
    size_t size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

static tern_bump_chunk *chunk_after(tern_bump *bump, size_t bytes)
{
    tern_bump_chunk **link = bump->current ? &bump->current->next : &bump->first;
    while (*link && (*link)->size < bytes)
        link = &(*link)->next;
    if (!*link) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        *link = malloc(sizeof **link + size);
        if (!*link)
            return NULL;
        (*link)->next = NULL;
        (*link)->size = size;
        bump->allocations++;
    }
    return *link;
}

void *tern_bump_alloc(tern_bump *bump, size_t bytes)
{
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!bump->current || bump->used + bytes > bump->current->size) {
        tern_bump_chunk *chunk = chunk_after(bump, bytes);
        if (!chunk)
            return NULL;
        bump->current = chunk;
        bump->used = 0;
    }
    void *memory = bump->current->bytes + bump->used;
    bump->used += bytes;
    return memset(memory, 0, bytes);
}

char *tern_bump_text(tern_bump *bump, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = tern_bump_alloc(bump, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void tern_bump_reset(tern_bump *bump)
{
    bump->current = bump->first;
    bump->used = 0;
}

void tern_bump_free(tern_bump *bump)
{
    while (bump->first) {
        tern_bump_chunk *next = bump->first->next;
        free(bump->first);
        bump->first = next;
    }
    *bump = (tern_bump){ 0 };
}
