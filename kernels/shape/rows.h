/* What concat and slice have in common on cpu: a narrow [rows, length] matrix and
 * its place in a wide one.
 *
 *     narrow  +-------+        wide  +---+-------+---------+
 *             | row 0 |              |   | row 0 |         |
 *             | row 1 |              |   | row 1 |         |
 *             +-------+              +---+-------+---------+
 *
 * Work is cut over the narrow matrix's elements counted row by row, so that one
 * long row makes as many tiles as many short ones.
 */
#ifndef TERN_KERNELS_SHAPE_ROWS_H
#define TERN_KERNELS_SHAPE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TERN_ROWS_TILE = 16384 }; /* elements */

static inline int64_t tern_rows_tiles(int64_t elements)
{
    return (elements + TERN_ROWS_TILE - 1) / TERN_ROWS_TILE;
}

/* A row of `length` elements begins every `stride` elements. */
typedef struct tern_rows {
    char *data;
    int64_t stride;
} tern_rows;

/* Copy elements begin to end of a [rows, length] matrix; size is one element's. */
static inline void tern_rows_copy(tern_rows to, tern_rows from, int64_t length, size_t size,
                                  int64_t begin, int64_t end)
{
    while (begin < end) {
        int64_t row = begin / length, column = begin % length;
        int64_t run = length - column < end - begin ? length - column : end - begin;
        memcpy(to.data + (size_t)(row * to.stride + column) * size,
               from.data + (size_t)(row * from.stride + column) * size, (size_t)run * size);
        begin += run;
    }
}

/* The same, adding float32 elements to what is there. */
static inline void tern_rows_add(tern_rows to, tern_rows from, int64_t length, int64_t begin,
                                 int64_t end)
{
    while (begin < end) {
        int64_t row = begin / length, column = begin % length;
        int64_t run = length - column < end - begin ? length - column : end - begin;
        float *restrict sum = (float *)to.data + row * to.stride + column;
        const float *restrict more = (const float *)from.data + row * from.stride + column;
        for (int64_t i = 0; i < run; i++)
            sum[i] += more[i];
        begin += run;
    }
}

#endif
