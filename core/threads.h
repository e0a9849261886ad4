/* A pool of worker threads for parallel loops over fixed tiles.
 *
 * Determinism: a loop is cut into the same tiles whatever the number of
 * threads, and a tile's result may depend only on its number.  Never make a
 * tile's extent depend on tern_pool_threads().
 */
#ifndef TERN_CORE_THREADS_H
#define TERN_CORE_THREADS_H

#include "core/error.h"
#include "core/tensor.h"

typedef struct tern_pool tern_pool;

/* worker is in [0, threads): an index for per-thread scratch, nothing else. */
typedef void (*tern_tile_fn)(void *argument, int64_t tile, int worker);

/* threads >= 1, the caller included; 0 means one per core.  NULL on failure. */
tern_pool *tern_pool_new(int threads, tern_error *error);
void tern_pool_free(tern_pool *pool);
int tern_pool_threads(const tern_pool *pool);

/* Run fn for every tile in [0, tiles) and return when all are done.  The caller
 * works too.  Workers spin a little before they sleep.  Not re-entrant. */
void tern_parallel(tern_pool *pool, int64_t tiles, tern_tile_fn fn, void *argument);

/* The context's pool (cpu backend). */
tern_pool *tern_ctx_pool(tern_ctx *ctx);

#endif
