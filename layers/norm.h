/* Normalisation layers.  State, as PyTorch's of the same names:
 *
 *   layer norm   nn.LayerNorm    weight, bias                              [D]
 *   RMS norm     nn.RMSNorm      weight                                    [D]
 *   group norm   nn.GroupNorm    weight, bias                              [C]
 *   batch norm   nn.BatchNorm2d  weight, bias, running_mean, running_var   [C]
 *
 * Weights start as ones, biases as zeros.  What they compute is in the ops' headers:
 * kernels/layer_norm, rms_norm, group_norm, batch_norm.  The last axis of x is D or C.
 * Errors: TERN_ERR_SHAPE if it is not.
 */
#ifndef TERN_LAYERS_NORM_H
#define TERN_LAYERS_NORM_H

#include "core/context.h"
#include "kernels/batch_norm/batch_norm.h"
#include "kernels/group_norm/group_norm.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/rms_norm/rms_norm.h"

/* ---------------------------------------------------------- layer norm -- */

typedef struct tern_layer_norm_layer {
    const char *name;
    tern_tensor *weight, *bias;
    tern_layer_norm_opts opts;
} tern_layer_norm_layer;

tern_layer_norm_layer tern_layer_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                    tern_layer_norm_opts opts);
tern_tensor *tern_layer_norm_layer_forward(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                           tern_tensor *x);
/* The norm of x + branch, in one pass; sum, unless NULL, receives x + branch. */
tern_tensor *tern_layer_norm_layer_add(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                       tern_tensor *x, tern_tensor *branch, tern_tensor **sum);

/* ------------------------------------------------------------ RMS norm -- */

typedef struct tern_rms_norm_layer {
    const char *name;
    tern_tensor *weight;
    tern_rms_norm_opts opts;
} tern_rms_norm_layer;

tern_rms_norm_layer tern_rms_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                tern_rms_norm_opts opts);
tern_tensor *tern_rms_norm_layer_forward(tern_ctx *ctx, const tern_rms_norm_layer *layer,
                                         tern_tensor *x);

/* ---------------------------------------------------------- group norm -- */

typedef struct tern_group_norm_layer {
    const char *name;
    tern_tensor *weight, *bias;
    tern_group_norm_opts opts;
} tern_group_norm_layer;

tern_group_norm_layer tern_group_norm_layer_declare(tern_ctx *ctx, const char *name,
                                                    int64_t channels, tern_group_norm_opts opts);
tern_tensor *tern_group_norm_layer_forward(tern_ctx *ctx, const tern_group_norm_layer *layer,
                                           tern_tensor *x);

/* ---------------------------------------------------------- batch norm -- */

typedef struct tern_batch_norm_layer {
    const char *name;
    tern_tensor *weight, *bias, *running_mean, *running_var;
    tern_batch_norm_opts opts;
} tern_batch_norm_layer;

tern_batch_norm_layer tern_batch_norm_layer_declare(tern_ctx *ctx, const char *name,
                                                    int64_t channels, tern_batch_norm_opts opts);
/* mask: u8 over a prefix of x's leading axes, or NULL. */
tern_tensor *tern_batch_norm_layer_forward(tern_ctx *ctx, const tern_batch_norm_layer *layer,
                                           tern_tensor *x, tern_tensor *mask);

#endif
