/* The normalisation and activation behind a convolution, of whichever kind.
 *
 *   x [N,...,C] -> y [N,...,C], act(norm(x)); zero where the mask is 0
 *
 *   batch  over the batch and all positions; masked ones do not count (Ioffe & Szegedy
 *          2015, arXiv:1502.03167)
 *   group  over the positions of one sample and the channels of one group (Wu & He 2018,
 *          arXiv:1803.08494): the same for any batch.  It cannot leave out positions, so a
 *          mask may only mark whole samples, [N].
 *   layer  over the channels of one position
 *   none   only the activation
 *
 * State: that of the kind's layer in layers/norm.h, or none.
 * Errors: TERN_ERR_SHAPE if group norm is given a mask of positions.
 */
#ifndef TERN_LAYERS_CHANNEL_NORM_H
#define TERN_LAYERS_CHANNEL_NORM_H

#include "kernels/elementwise/activation.h"
#include "layers/norm.h"

typedef enum tern_norm_kind {
    TERN_NORM_BATCH,
    TERN_NORM_GROUP,
    TERN_NORM_LAYER,
    TERN_NORM_NONE
} tern_norm_kind;

typedef struct tern_channel_norm_opts {
    tern_norm_kind kind;        /* default batch norm      */
    int64_t groups;             /* of group norm; default 1 */
    tern_activation activation; /* default none            */
} tern_channel_norm_opts;

typedef struct tern_channel_norm {
    tern_channel_norm_opts opts;
    tern_batch_norm_layer batch; /* one of the three, by kind */
    tern_group_norm_layer group;
    tern_layer_norm_layer layer;
} tern_channel_norm;

tern_channel_norm tern_channel_norm_declare(tern_ctx *ctx, const char *name, int64_t channels,
                                            tern_channel_norm_opts opts);
/* mask: u8 over the first axes of x, or NULL. */
tern_tensor *tern_channel_norm_forward(tern_ctx *ctx, const tern_channel_norm *norm,
                                       tern_tensor *x, tern_tensor *mask);

#endif
