/* 2-D convolution (cross-correlation, as in PyTorch) with a fused bias and activation.
 *
 *   y[n,p,q,o] = act( bias[o] + sum_{u,v,i} x[n, p*stride0 + u - pad0, q*stride1 + v - pad1, i]
 *                                           * weight[o,u,v,i] )
 *
 * where x counts as zero outside its rows and columns.
 *
 *   x       [N, H, W, I]
 *   weight  [O, kh, kw, I]
 *   bias    [O]              or NULL for zeros
 *   -> y    [N, Ho, Wo, O]   Ho = floor((H + 2*pad0 - kh) / stride0) + 1, Wo likewise
 *
 * N may be 0; all other extents are at least 1.
 * Saved for backward: the value before the activation, for gelu only.
 * Cost: 2 * N*Ho*Wo * O * kh*kw*I FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if the ranks or channels do not fit, or if the kernel is
 * larger than the padded image.
 */
#ifndef TERN_KERNELS_CONV2D_H
#define TERN_KERNELS_CONV2D_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_conv2d_opts {
    int64_t stride[2]; /* of rows and columns; zero means 1                       */
    int64_t pad[2];    /* zero rows above and below, zero columns left and right  */
    int activation;    /* tern_activation; default none                           */
} tern_conv2d_opts;

extern const tern_op tern_op_conv2d;

tern_tensor *tern_conv2d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv2d_opts opts);

#endif
