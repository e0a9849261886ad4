/* Pooling of images in windows of rows and columns, channel by channel.
 *
 *   max_pool2d       y[n,p,q,c] = max  over the window at (p,q) of x[n,row,column,c]
 *   avg_pool2d       y[n,p,q,c] = mean over the window
 *   global_avg_pool  y[n,c]     = mean over the whole image
 *   adaptive_max_pool2d, adaptive_avg_pool2d
 *                    the same in as many windows as size asks for
 *
 *   x     [N, H, W, C]
 *   -> y  [N, Ho, Wo, C]   Ho = floor((H + 2*pad0 - window0) / stride0) + 1, Wo likewise;
 *         [N, C]           of global_avg_pool
 *         [N, size0, size1, C] of the adaptive ones; a size of 0 is x's extent
 *
 * The window at (p,q) covers rows p*stride0 - pad0 up to + window0 - 1, and columns
 * likewise.  A window of 0 is the whole extent: window = {1, 0} pools the
 * frequencies of a spectrogram [N, T, F, C] and keeps its time.  The adaptive window at
 * (p,q) covers rows floor(p * H / size0) up to, not including, ceil((p+1) * H / size0).
 *
 * N may be 0; all other extents are at least 1.  As PyTorch's MaxPool2d and AvgPool2d
 * without ceil_mode, AdaptiveMaxPool2d and AdaptiveAvgPool2d: padding never wins a
 * maximum, of equal values the first in row-major order gets the gradient, and NaN
 * wins.  In averages padding counts as zeros, unless exclude_pad.
 * Saved for backward: the maxima keep their winners' places.
 * Cost: one operation per element of a window.
 * Errors: TERN_ERR_SHAPE if x has not four axes or a window does not fit;
 * TERN_ERR_OPTION if the padding is more than half the window.
 */
#ifndef TERN_KERNELS_POOL_H
#define TERN_KERNELS_POOL_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_max_pool2d_opts {
    int64_t window[2]; /* rows, columns; zero means the whole extent */
    int64_t stride[2]; /* zero means the window                      */
    int64_t pad[2];
} tern_max_pool2d_opts;

typedef struct tern_avg_pool2d_opts {
    int64_t window[2];
    int64_t stride[2];
    int64_t pad[2];
    bool exclude_pad; /* divide by the window's pixels within the image: PyTorch's
                         count_include_pad=False                             */
} tern_avg_pool2d_opts;

typedef struct tern_adaptive_pool2d_opts {
    int64_t size[2]; /* y's rows and columns; zero means x's */
} tern_adaptive_pool2d_opts;

extern const tern_op tern_op_max_pool2d, tern_op_avg_pool2d, tern_op_global_avg_pool,
    tern_op_adaptive_max_pool2d, tern_op_adaptive_avg_pool2d;

tern_tensor *tern_max_pool2d(tern_ctx *ctx, tern_tensor *x, tern_max_pool2d_opts opts);
tern_tensor *tern_avg_pool2d(tern_ctx *ctx, tern_tensor *x, tern_avg_pool2d_opts opts);
tern_tensor *tern_global_avg_pool(tern_ctx *ctx, tern_tensor *x);
tern_tensor *tern_adaptive_max_pool2d(tern_ctx *ctx, tern_tensor *x,
                                      tern_adaptive_pool2d_opts opts);
tern_tensor *tern_adaptive_avg_pool2d(tern_ctx *ctx, tern_tensor *x,
                                      tern_adaptive_pool2d_opts opts);

#endif
