/* Residual block (He et al. 2016, arXiv:1512.03385): what two convolutions add to x.
 *
 *   x [N,H,W,C] --+-> conv1 k x k /stride, norm, act -> conv2 k x k, norm -> attention -> +
 *                 |                                                                      |
 *                 +-> as it is; conv 1 x 1 /stride, norm where the shape changes ------> +
 *                                                                                        |
 *                                                            y [N,H',W',O] <--- act <----+
 *
 * The attention is none, squeeze-and-excitation or CBAM (layers/cbam.h), of the branch
 * before it joins.
 *
 * State as torchvision's BasicBlock: conv1.weight, bn1.*, conv2.weight, bn2.*, and, where
 * the shape changes, downsample.0.weight and downsample.1.*; attention.* as in
 * layers/channel_attention.h or layers/cbam.h.  bn1, bn2 and downsample.1 are so called
 * whichever norm they are.  Without a norm the convolutions have a bias.
 * Errors: TERN_ERR_OPTION for an even kernel; TERN_ERR_SHAPE as of the ops, or if the mask
 * does not fit: see layers/channel_norm.h.
 */
#ifndef TERN_LAYERS_RESIDUAL_BLOCK_H
#define TERN_LAYERS_RESIDUAL_BLOCK_H

#include "layers/cbam.h"
#include "layers/channel_norm.h"
#include "layers/conv2d.h"

typedef enum tern_residual_attention {
    TERN_RESIDUAL_PLAIN,
    TERN_RESIDUAL_SQUEEZE_EXCITATION,
    TERN_RESIDUAL_CBAM
} tern_residual_attention;

typedef struct tern_residual_block_opts {
    int64_t kernel;                    /* odd; default 3                              */
    int64_t stride;                    /* of conv1 and of the shortcut; default 1     */
    tern_norm_kind norm;               /* default batch norm                          */
    int64_t norm_groups;               /* of group norm; default 1                    */
    tern_activation activation;        /* default ReLU                                */
    tern_residual_attention attention; /* default none                                */
    int64_t reduction;                 /* of the attention; default 16                */
    tern_init init;                    /* of the convolutions' weights                */
} tern_residual_block_opts;

/* A convolution and what normalises it. */
typedef struct tern_residual_part {
    tern_conv2d_layer conv;
    tern_channel_norm norm;
} tern_residual_part;

typedef struct tern_residual_block {
    const char *name;
    tern_residual_part first, second, shortcut;
    bool has_shortcut; /* else x joins as it is */
    tern_channel_attention squeeze_excitation;
    tern_cbam cbam;
    tern_residual_block_opts opts;
} tern_residual_block;

tern_residual_block tern_residual_block_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                                int64_t outputs, tern_residual_block_opts opts);
/* mask: positions of y that count, over its first axes, or NULL for all.  The others are
 * zero, where those of x are. */
tern_tensor *tern_residual_block_forward(tern_ctx *ctx, const tern_residual_block *block,
                                         tern_tensor *x, tern_tensor *mask);

#endif
