/* The transforms of Winograd's convolution F(4x4,3x3): four outputs by four of a 3x3
 * kernel from six inputs by six (Lavin and Gray 2015, arXiv:1509.09308).
 *
 * In one dimension, F(4,3): the outputs y[j] = sum_k g[k] d[j+k], j < 4, k < 3, are
 *
 *      y = A' ((G g) * (B' d))          * element by element: 6 products instead of 12
 *
 * A polynomial of degree 5 is known from its values at six points, and a product of
 * polynomials is a product of values.  G takes the kernel to its values at the points
 * 0, +-a, +-b and infinity (its leading coefficient); a product of polynomials read backwards
 * is a sum over neighbours, hence the transposes A' and B':
 *
 *      row of point p      G                     A             B' of a pair, c the other's square
 *      0                   1   0   0             1  0  0  0    d0 - (a2 + b2) d2 + d4
 *      +-a, +-b            (1  p  p2) / N(p)     1  p  p2 p3   (d4 - c d2) + p (d3 - c d1)
 *      infinity            0   0   1             0  0  0  1    d1 - (a2 + b2) d3 + d5
 *
 * with N(+-a) = 2 a2 (a2 - b2), N(+-b) = 2 b2 (b2 - a2), a2 = a*a, and a2 b2 = 1.
 *
 * The points decide how rounding errors grow.  With a = sqrt(1/2) and b = sqrt(2) the numbers
 * stay near one, and the error is about twice that of a direct sum (tests/test_winograd.c has
 * figures); with 1 and 2, the usual choice, it is four times.
 *
 * The gradient of the kernel is a sum over tiles of F(3,4): three outputs of a kernel of four,
 * which is a tile of the output's gradient, from the same six inputs.  The points are the same,
 * and so is B'; G gets one column more and A' one row less.
 *
 * In two dimensions the transforms are applied along rows and columns: 36 products for 16
 * outputs, where the direct sum has 144.
 */
#ifndef TERN_KERNELS_CONV2D_WINOGRAD_TRANSFORM_H
#define TERN_KERNELS_CONV2D_WINOGRAD_TRANSFORM_H

#include "kernels/conv2d/panel_product.h"

enum {
    WINOGRAD_OUT = 4,   /* outputs of a tile along an axis */
    WINOGRAD_IN = 6,    /* inputs, and points              */
    WINOGRAD_KERNEL = 3,
    WINOGRAD_POINTS = WINOGRAD_IN * WINOGRAD_IN
};

/* FLOPs of a channel's transforms, along both axes. */
enum {
    WINOGRAD_INPUT_FLOPS = 12 * 22,
    WINOGRAD_OUTPUT_FLOPS = 10 * 16 + 16,
    WINOGRAD_KERNEL_FLOPS = 9 * 12,
    WINOGRAD_GRADIENT_FLOPS = 10 * 16,
    WINOGRAD_ELEMENT_FLOPS = 9 * 13
};

#define WINOGRAD_A 0.70710678f /* sqrt(1/2) */
#define WINOGRAD_B 1.41421356f /* sqrt(2)   */

/* B' d: six inputs. */
static inline __attribute__((always_inline)) void winograd_input(const tern_vf *d, tern_vf *t)
{
    tern_vf even = d[4] - 2.0f * d[2], odd = d[3] - 2.0f * d[1];
    t[1] = even + WINOGRAD_A * odd;
    t[2] = even - WINOGRAD_A * odd;
    even = d[4] - 0.5f * d[2], odd = d[3] - 0.5f * d[1];
    t[3] = even + WINOGRAD_B * odd;
    t[4] = even - WINOGRAD_B * odd;
    t[0] = (d[0] + d[4]) - 2.5f * d[2];
    t[5] = (d[1] + d[5]) - 2.5f * d[3];
}

/* G g: a kernel's row or column. */
static inline __attribute__((always_inline)) void winograd_kernel(const tern_vf *g, tern_vf *t)
{
    tern_vf even = (-2.0f / 3) * (g[0] + 0.5f * g[2]), odd = (-2.0f / 3 * WINOGRAD_A) * g[1];
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    even = (1.0f / 6) * (g[0] + 2.0f * g[2]), odd = (1.0f / 6 * WINOGRAD_B) * g[1];
    t[3] = even + odd;
    t[4] = even - odd;
    t[5] = g[2];
}

/* A' m: four outputs from the products at the points. */
static inline __attribute__((always_inline)) void winograd_output(const tern_vf *m, tern_vf *y)
{
    tern_vf even_a = m[1] + m[2], odd_a = WINOGRAD_A * (m[1] - m[2]);
    tern_vf even_b = m[3] + m[4], odd_b = WINOGRAD_B * (m[3] - m[4]);
    y[0] = (m[0] + even_a) + even_b;
    y[1] = odd_a + odd_b;
    y[2] = 0.5f * even_a + 2.0f * even_b;
    y[3] = (0.5f * odd_a + m[5]) + 2.0f * odd_b;
}

/* G g with four elements: a row or column of a tile of the output's gradient. */
static inline __attribute__((always_inline)) void winograd_gradient(const tern_vf *g, tern_vf *t)
{
    tern_vf even = (-2.0f / 3) * (g[0] + 0.5f * g[2]);
    tern_vf odd = (-2.0f / 3 * WINOGRAD_A) * (g[1] + 0.5f * g[3]);
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    even = (1.0f / 6) * (g[0] + 2.0f * g[2]);
    odd = (1.0f / 6 * WINOGRAD_B) * (g[1] + 2.0f * g[3]);
    t[3] = even + odd;
    t[4] = even - odd;
    t[5] = g[3];
}

/* A' m with three outputs: elements of the gradient of a kernel. */
static inline __attribute__((always_inline)) void winograd_element(const tern_vf *m, tern_vf *y)
{
    tern_vf even_a = m[1] + m[2], even_b = m[3] + m[4];
    y[0] = (m[0] + even_a) + even_b;
    y[1] = WINOGRAD_A * (m[1] - m[2]) + WINOGRAD_B * (m[3] - m[4]);
    y[2] = (0.5f * even_a + m[5]) + 2.0f * even_b;
}

#endif
