/* A run of items (rows, elements) cut into tiles for tern_parallel: all of `each` items but
 * the last, which holds what is left.  `each` must come from the shape alone; see
 * core/threads.h. */
#ifndef TERN_CORE_TILES_H
#define TERN_CORE_TILES_H

#include <stdint.h>

typedef struct tern_tiles {
    int64_t items, each; /* each >= 1 */
    int64_t count;       /* of tiles  */
} tern_tiles;

static inline tern_tiles tern_tiles_cut(int64_t items, int64_t each)
{
    return (tern_tiles){ .items = items, .each = each, .count = (items + each - 1) / each };
}

/* Rows of `width` elements: so many in a tile as make `elements`, but at least `least`. */
static inline tern_tiles tern_tiles_of_rows(int64_t rows, int64_t width, int64_t elements,
                                            int64_t least)
{
    int64_t each = width > 0 ? elements / width : elements;
    return tern_tiles_cut(rows, each > least ? each : least);
}

/* Tile number `tile` holds the items begin .. end - 1. */
static inline int64_t tern_tile_begin(const tern_tiles *tiles, int64_t tile)
{
    return tile * tiles->each;
}

static inline int64_t tern_tile_end(const tern_tiles *tiles, int64_t tile)
{
    int64_t end = (tile + 1) * tiles->each;
    return end < tiles->items ? end : tiles->items;
}

#endif
