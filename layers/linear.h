/* A linear layer with its parameters: y = act(x W' + b).
 *
 *   x [...,inputs] -> y [...,outputs], see kernels/linear/linear.h
 *
 * State as nn.Linear: weight [outputs,inputs], bias [outputs].
 *
 * The pattern of all layers: NAME_declare declares the parameters under the scope path,
 * with PyTorch's names and first values, and NAME_forward applies the ops.  A layer is a
 * plain struct, copied freely, freed never.  Options are zero by default.  Errors are the
 * context's; they begin with the layer's path, as in "model.face.project: linear: ...".
 */
#ifndef TERN_LAYERS_LINEAR_H
#define TERN_LAYERS_LINEAR_H

#include "core/context.h"
#include "core/params.h"
#include "kernels/linear/linear.h"

typedef struct tern_linear_layer_opts {
    int activation;      /* tern_activation; default none                       */
    bool no_bias;
    tern_init init;      /* of the weight; default uniform, 1/sqrt(inputs)      */
    tern_init bias_init; /* default the same                                    */
} tern_linear_layer_opts;

typedef struct tern_linear_layer {
    const char *name;
    tern_tensor *weight, *bias; /* bias is NULL if there is none */
    tern_linear_opts opts;
} tern_linear_layer;

tern_linear_layer tern_linear_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_linear_layer_opts opts);
tern_tensor *tern_linear_layer_forward(tern_ctx *ctx, const tern_linear_layer *layer,
                                       tern_tensor *x);

#endif
