/* A linear layer with its parameters: act(x W' + b).  State: weight [O,I], bias [O].
 *
 * The pattern of all layers: NAME_declare declares the parameters under the
 * scope path (PyTorch's names and default initialisation) and NAME_forward
 * applies the ops.  A layer is a plain struct, copied freely, freed never.
 */
#ifndef TERN_LAYERS_LINEAR_H
#define TERN_LAYERS_LINEAR_H

#include "core/context.h"
#include "core/params.h"
#include "kernels/linear/linear.h"

typedef struct tern_linear_layer {
    const char *name;
    tern_tensor *weight, *bias;
    tern_linear_opts opts;
} tern_linear_layer;

tern_linear_layer tern_linear_layer_declare(tern_ctx *ctx, const char *name, int64_t inputs,
                                            int64_t outputs, tern_linear_opts opts);
/* With another initialisation of weight and bias. */
tern_linear_layer tern_linear_layer_declare_from(tern_ctx *ctx, const char *name, int64_t inputs,
                                                 int64_t outputs, tern_init init,
                                                 tern_linear_opts opts);
tern_tensor *tern_linear_layer_forward(tern_ctx *ctx, const tern_linear_layer *layer,
                                       tern_tensor *x);

#endif
