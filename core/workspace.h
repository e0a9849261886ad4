/* Cutting an op's workspace into aligned parts.
 *
 * An implementation writes one function that takes its parts in order.  Run on a
 * NULL base it finds the size, which is what tern_impl.forward_workspace wants;
 * run on tern_call.workspace it finds the pointers.
 */
#ifndef TERN_CORE_WORKSPACE_H
#define TERN_CORE_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

typedef struct tern_workspace {
    char *base;  /* NULL while only the size is wanted */
    size_t used; /* bytes taken so far                 */
} tern_workspace;

/* The next part, 64-byte aligned; NULL while only the size is wanted. */
static inline void *tern_workspace_take(tern_workspace *workspace, int64_t count, size_t size)
{
    void *part = workspace->base ? workspace->base + workspace->used : NULL;
    size_t bytes = (size_t)count * size;
    workspace->used += (bytes + 63) / 64 * 64;
    return part;
}

#endif
