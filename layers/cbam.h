/* Convolutional block attention module (Woo et al. 2018, arXiv:1807.06521): first which
 * features, then where.
 *
 *   x [N,H,W,C] -> channel attention -> spatial attention -> y [N,H,W,C]
 *
 * State: channel.* as in layers/channel_attention.h, spatial.* as in
 * layers/spatial_attention.h.
 * Errors: TERN_ERR_SHAPE if x has not four axes or the mask does not fit; TERN_ERR_OPTION
 * if the kernel is even.
 */
#ifndef TERN_LAYERS_CBAM_H
#define TERN_LAYERS_CBAM_H

#include "layers/channel_attention.h"
#include "layers/spatial_attention.h"

typedef struct tern_cbam_opts {
    int64_t reduction; /* of the channel attention; default 16        */
    int64_t kernel;    /* of the spatial attention, odd; default 7    */
    tern_init init;    /* of all weights                              */
} tern_cbam_opts;

typedef struct tern_cbam {
    const char *name;
    tern_channel_attention channel;
    tern_spatial_attention spatial;
} tern_cbam;

tern_cbam tern_cbam_declare(tern_ctx *ctx, const char *name, int64_t channels,
                            tern_cbam_opts opts);
/* mask: u8 over the first axes of x, or NULL for all valid. */
tern_tensor *tern_cbam_forward(tern_ctx *ctx, const tern_cbam *layer, tern_tensor *x,
                               tern_tensor *mask);

#endif
