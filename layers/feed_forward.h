/* The second half of a transformer layer, without its norm and residual.
 *
 *   x [...,D] -> linear1 -> act -> dropout -> linear2 -> dropout -> y [...,D]
 *                       [...,hidden]
 *
 * State, in the scope of the layer it is part of, as nn.TransformerEncoderLayer names
 * it: linear1.*, linear2.*.
 * Errors: TERN_ERR_SHAPE if the last axis of x is not D.
 */
#ifndef TERN_LAYERS_FEED_FORWARD_H
#define TERN_LAYERS_FEED_FORWARD_H

#include "layers/linear.h"

typedef struct tern_feed_forward_opts {
    int64_t size;   /* D                             */
    int64_t hidden; /* 0: 4 * D                      */
    double dropout; /* in training; 0 or less: none  */
    bool relu;      /* instead of gelu               */
    tern_init init; /* of the weights                */
} tern_feed_forward_opts;

typedef struct tern_feed_forward {
    tern_linear_layer linear1, linear2;
    double dropout;
} tern_feed_forward;

tern_feed_forward tern_feed_forward_declare(tern_ctx *ctx, tern_feed_forward_opts opts);
tern_tensor *tern_feed_forward_forward(tern_ctx *ctx, const tern_feed_forward *layer,
                                       tern_tensor *x);

#endif
