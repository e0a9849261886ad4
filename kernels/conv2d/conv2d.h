/* 2-D convolution (cross-correlation, as in PyTorch) with a fused bias and activation.
 *
 *   y[n,p,q,o] = act( bias[o] + sum_{u,v,i} x[n, row, column, first(o) + i] * weight[o,u,v,i] )
 *   row    = p*stride0 + u*dilation0 - pad0
 *   column = q*stride1 + v*dilation1 - pad1
 *
 * where x counts as zero outside its rows and columns.  The channels of x and y are cut
 * into `groups` equal parts, and an output sees its own part only: first(o) is
 * floor(o / (O/groups)) * (I/groups).  With groups = I it is a depthwise convolution.
 *
 *   x       [N, H, W, I]
 *   weight  [O, kh, kw, I/groups]
 *   bias    [O]              or NULL for zeros
 *   -> y    [N, Ho, Wo, O]   Ho = floor((H + 2*pad0 - dilation0*(kh-1) - 1) / stride0) + 1,
 *                            Wo likewise
 *
 * N may be 0; all other extents are at least 1.
 * Saved for backward: the value before the activation, for gelu only.
 * Cost: 2 * N*Ho*Wo * O * kh*kw*I/groups FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if the ranks or channels do not fit, or if the kernel is
 * larger than the padded image.
 */
#ifndef TERN_KERNELS_CONV2D_H
#define TERN_KERNELS_CONV2D_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_conv2d_opts {
    int64_t stride[2];   /* of rows and columns; zero means 1                       */
    int64_t pad[2];      /* zero rows above and below, zero columns left and right  */
    int64_t dilation[2]; /* pixels from one kernel element to the next; zero means 1 */
    int64_t groups;      /* zero means 1; divides I and O                           */
    int activation;      /* tern_activation; default none                           */
} tern_conv2d_opts;

extern const tern_op tern_op_conv2d;

tern_tensor *tern_conv2d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv2d_opts opts);

#endif
