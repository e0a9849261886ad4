/* Images resized to a given number of rows and columns, channel by channel.
 *
 *   resize_nearest   y[n,p,q,c] = x[n, source(p), source(q), c]
 *                    source(p) = min( floor(p * H / size0), H - 1 )
 *   resize_bilinear  y[n,p,q,c] = the four pixels around (source(p), source(q)), weighted
 *                    by how near they are
 *                    source(p) = max( 0, (p + 1/2) * H / size0 - 1/2 ), or
 *                                p * (H - 1) / (size0 - 1) with align_corners
 *
 *   x     [N, H, W, C]
 *   -> y  [N, size0, size1, C]
 *
 * Beyond the last pixel there is the last pixel.  Equal to torch.nn.functional.interpolate
 * with a size.  Its nearest multiplies p by the float32 quotient H / size0, whose rounding
 * gives the pixel before the exact one in one pair of sizes out of a hundred; so does
 * this.  When an image is made smaller, bilinear still looks at four pixels only.
 *
 * N may be 0; all other extents are at least 1.
 * Cost: 8 FLOPs per element of y, none for nearest.
 * Errors: TERN_ERR_SHAPE if x has not four axes; TERN_ERR_OPTION if a size is missing.
 */
#ifndef TERN_KERNELS_RESIZE_H
#define TERN_KERNELS_RESIZE_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_resize_nearest_opts {
    int64_t size[2]; /* y's rows and columns */
} tern_resize_nearest_opts;

typedef struct tern_resize_bilinear_opts {
    int64_t size[2];
    bool align_corners; /* corner pixels fall on corner pixels */
} tern_resize_bilinear_opts;

extern const tern_op tern_op_resize_nearest, tern_op_resize_bilinear;

tern_tensor *tern_resize_nearest(tern_ctx *ctx, tern_tensor *x, tern_resize_nearest_opts opts);
tern_tensor *tern_resize_bilinear(tern_ctx *ctx, tern_tensor *x, tern_resize_bilinear_opts opts);

#endif
