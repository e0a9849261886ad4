/* Spatial attention: where in the image does it matter?  (CBAM: Woo et al. 2018,
 * arXiv:1807.06521.)
 *
 *                    +-> mean over channels [N,H,W,1] -+
 *   x [N,H,W,C] -----+                                 +-> conv k x k -> sigmoid -> a [N,H,W,1]
 *              |     +-> max over channels [N,H,W,1] --+                           |
 *              +-------------------------------------------------------------> y = a x
 *
 * State as nn.Conv2d(2, 1, k, padding=k//2, bias=False): conv.weight, channel 0 the mean's.
 * Errors: TERN_ERR_SHAPE if x has not four axes or the mask does not fit; TERN_ERR_OPTION
 * if the kernel is even.
 */
#ifndef TERN_LAYERS_SPATIAL_ATTENTION_H
#define TERN_LAYERS_SPATIAL_ATTENTION_H

#include "layers/conv2d.h"

typedef struct tern_spatial_attention_opts {
    int64_t kernel; /* odd; default 7                     */
    tern_init init; /* of the weight; default nn.Conv2d's */
} tern_spatial_attention_opts;

typedef struct tern_spatial_attention {
    const char *name;
    tern_conv2d_layer conv;
} tern_spatial_attention;

tern_spatial_attention tern_spatial_attention_declare(tern_ctx *ctx, const char *name,
                                                      tern_spatial_attention_opts opts);
/* mask: u8 over the first axes of x, or NULL; to the convolution, masked positions are as
 * those outside the image. */
tern_tensor *tern_spatial_attention_forward(tern_ctx *ctx, const tern_spatial_attention *layer,
                                            tern_tensor *x, tern_tensor *mask);

#endif
