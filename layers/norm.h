/* Normalisation layers: layer norm (state: weight [D], bias [D]) and batch norm
 * (state: weight, bias, running_mean, running_var, all [C]).
 */
#ifndef TERN_LAYERS_NORM_H
#define TERN_LAYERS_NORM_H

#include "core/context.h"
#include "kernels/batch_norm/batch_norm.h"

typedef struct tern_layer_norm_layer {
    const char *name;
    tern_tensor *weight, *bias;
} tern_layer_norm_layer;

tern_layer_norm_layer tern_layer_norm_layer_declare(tern_ctx *ctx, const char *name, int64_t size);
tern_tensor *tern_layer_norm_layer_forward(tern_ctx *ctx, const tern_layer_norm_layer *layer,
                                           tern_tensor *x);

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
