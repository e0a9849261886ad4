/* 1-D convolution over time, as in PyTorch, with a fused bias and activation.
 *
 *   y[n,t,o] = act( bias[o] + sum_{u,i} x[n, t*stride + u*dilation - pad, first(o) + i]
 *                                       * weight[o,u,i] )
 *
 * where x counts as zero outside its T steps, and first(o) = floor(o / (O/groups)) *
 * (I/groups) is the first channel that output o sees.
 *
 *   x       [N, T, I]
 *   weight  [O, k, I/groups]   as a parameter: TERN_LAYOUT_OTI_FROM_OIT
 *   bias    [O]                or NULL for zeros
 *   -> y    [N, To, O]         To = floor((T + 2*pad - dilation*(k-1) - 1) / stride) + 1
 *
 * N may be 0; all other extents are at least 1.
 * Saved for backward: the value before the activation, for gelu only.
 * Cost: 2 * N*To * O * k*I/groups FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if the ranks or channels do not fit, or if the kernel is
 * longer than the padded sequence.
 */
#ifndef TERN_KERNELS_CONV1D_H
#define TERN_KERNELS_CONV1D_H

#include "core/context.h"
#include "core/op.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_conv1d_opts {
    int64_t stride;   /* zero means 1                                             */
    int64_t pad;      /* zero steps before and after                              */
    int64_t dilation; /* steps from one kernel element to the next; zero means 1  */
    int64_t groups;   /* zero means 1; divides I and O                            */
    int activation;   /* tern_activation; default none                            */
} tern_conv1d_opts;

extern const tern_op tern_op_conv1d;

tern_tensor *tern_conv1d(tern_ctx *ctx, tern_tensor *x, tern_tensor *weight, tern_tensor *bias,
                         tern_conv1d_opts opts);

#endif
