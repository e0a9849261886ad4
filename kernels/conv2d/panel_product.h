/* The one inner loop of the fast convolution: a small matrix product whose left
 * factor is read where it lies, through strides, and whose right factor is a packed
 * panel.
 *
 *   c[r,j] = start[r,j] + sum over s < outer, u < middle, t < inner of
 *                             a(r,s,u,t) * panel[(s*middle + u)*inner + t, j]
 *
 *   a(r,s,u,t) = a[r*a_row + s*a_outer + u*a_middle + t*a_inner]
 *   panel      [outer*middle*inner, vectors*LANES], rows one after the other
 *   start      start[r*start_row + j]: zeros or a bias (start_row 0), or c itself to
 *              accumulate
 *   c          c[r*c_row + j], r < rows, j < width <= vectors*LANES
 *
 * A batch is such products one after the other, of which each has its a, panel, start and c so
 * many floats after the one before.
 *
 * Forward takes output pixels for r, kernel rows for s and the contiguous run of
 * kernel columns and input channels for t, with middle 1; where a dilation pulls the
 * columns apart, they are u and the run is one column's channels.  The gradient of x
 * is the same over the output's gradient; the gradient of the weights takes a run for
 * r and pixels for s and t.  See conv2d_cpu.c.
 */
#ifndef TERN_KERNELS_CONV2D_PANEL_PRODUCT_H
#define TERN_KERNELS_CONV2D_PANEL_PRODUCT_H

#include "core/simd.h"

/* A panel is at most this many columns wide: two vectors feed both multiply-add
 * units for each value of a that is loaded. */
enum { PANEL_VECTORS = 2, PANEL_WIDTH = PANEL_VECTORS * TERN_LANES };

/* Up to so many columns are not worth a vector of them: then the panel may be stored by
 * columns, each [outer*middle*inner], and vectors go along the sum.  a_inner is 1. */
enum { PANEL_NARROW = 2 };

typedef struct panel_product {
    int64_t rows, outer, middle, inner, width;
    const float *a;
    int64_t a_row, a_outer, a_middle, a_inner;
    const float *panel;
    const float *start;
    int64_t start_row;
    float *c;
    int64_t c_row;
    bool narrow; /* the panel is stored by columns */
    int64_t batch, a_batch, panel_batch, start_batch, c_batch; /* batch: 1 or more */
} panel_product;

void TERN_LEVEL(tern_panel_product)(const panel_product *product);

/* Panels cut `columns` into strips of PANEL_WIDTH; the last one is as many whole
 * vectors wide as it needs. */
static inline int64_t panel_count(int64_t columns)
{
    return (columns + PANEL_WIDTH - 1) / PANEL_WIDTH;
}

static inline int64_t panel_columns(int64_t columns, int64_t panel)
{
    int64_t left = columns - panel * PANEL_WIDTH;
    return left < PANEL_WIDTH ? left : PANEL_WIDTH;
}

/* Width in memory: whole vectors. */
static inline int64_t panel_pitch(int64_t width)
{
    return (width + TERN_LANES - 1) / TERN_LANES * TERN_LANES;
}

#endif
