/* Which output pixels an input pixel went into: what the gradient of x runs over.
 *
 * Input row h is read by output row p under kernel row u when
 *
 *      h + pad = p*stride + u*dilation
 *
 * Rows h of one phase (h mod stride) share their kernel rows: the first that fits,
 * `first`, and from there every stride/gcd-th, gcd that of stride and dilation.  With
 * each further kernel row the output row goes back by dilation/gcd:
 *
 *      u = first + t*step,  p = base - t*back      t < taps
 *
 * As h goes on by a stride, base goes on by one: each phase is a convolution of stride
 * 1 and dilation `back` with a part of the kernel, flipped.  Columns are the same.
 * With a stride of 2 there are 2 x 2 phases, and no multiplication with inserted zeros.
 */
#ifndef TERN_KERNELS_CONV2D_PHASE_H
#define TERN_KERNELS_CONV2D_PHASE_H

#include "kernels/conv2d/conv2d_geometry.h"

/* One phase of one axis. */
typedef struct conv2d_phase {
    int64_t taps;        /* kernel elements that fit; 0: nothing reads these inputs */
    int64_t first, step; /* the first of them, and from one to the next             */
    int64_t base, back;  /* output index under the first, for the phase's first input;
                            and how far it goes back with each further one          */
} conv2d_phase;

static inline int64_t conv2d_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The phase of inputs index, index + stride, ..., 0 <= index < stride. */
static inline conv2d_phase conv2d_phase_of(int64_t index, int64_t stride, int64_t pad,
                                           int64_t dilation, int64_t kernel)
{
    int64_t divisor = conv2d_common_divisor(stride, dilation), position = index + pad;
    conv2d_phase phase = { .step = stride / divisor, .back = dilation / divisor };
    for (int64_t u = 0; u < phase.step && u < kernel; u++)
        if ((position - u * dilation) % stride == 0) {
            phase.first = u;
            phase.taps = (kernel - 1 - u) / phase.step + 1;
            phase.base = (position - u * dilation) / stride;
            break;
        }
    return phase;
}

static inline conv2d_phase conv2d_row_phase(const conv2d_geometry *g, int64_t row)
{
    return conv2d_phase_of(row, g->row_stride, g->row_pad, g->row_dilation, g->kernel_rows);
}

static inline conv2d_phase conv2d_column_phase(const conv2d_geometry *g, int64_t column)
{
    return conv2d_phase_of(column, g->column_stride, g->column_pad, g->column_dilation,
                           g->kernel_columns);
}

#endif
