/* Multi-layer perceptron: linear layers with an activation and dropout between them.
 *
 *   x [...,I] -> linear -> act -> dropout -> ... -> linear -> y [...,O]
 *
 *                 hidden[0]                     hidden[last]
 *
 * Without hidden sizes it is one linear layer.
 *
 * State as nn.Sequential(Linear, act, Dropout, Linear, act, Dropout, ..., Linear), in which
 * the linear layers are numbers 0, 3, 6 ...: 0.weight, 0.bias, 3.weight ...
 * Errors: TERN_ERR_SHAPE if the last axis of x is not I.
 */
#ifndef TERN_LAYERS_MLP_H
#define TERN_LAYERS_MLP_H

#include "layers/linear.h"

enum { TERN_MLP_HIDDEN = 7 }; /* the most hidden layers */

typedef struct tern_mlp_opts {
    int64_t hidden[TERN_MLP_HIDDEN]; /* units of the hidden layers, up to the first 0 */
    tern_activation activation;      /* default ReLU                                  */
    double dropout;                  /* behind each activation, in training           */
    tern_init init;                  /* of the weights; default nn.Linear's           */
} tern_mlp_opts;

typedef struct tern_mlp {
    const char *name;
    tern_linear_layer linear[TERN_MLP_HIDDEN + 1];
    int count; /* of linear layers */
    double dropout;
} tern_mlp;

tern_mlp tern_mlp_declare(tern_ctx *ctx, const char *name, int64_t inputs, int64_t outputs,
                          tern_mlp_opts opts);
tern_tensor *tern_mlp_forward(tern_ctx *ctx, const tern_mlp *layer, tern_tensor *x);

#endif
