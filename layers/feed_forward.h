/* The second half of a transformer layer, pre-LN: two linear layers beside a residual.
 *
 *   y = x + dropout(linear2(dropout(act(linear1(norm2(x))))))
 *
 * State, in the scope of the layer it is part of, as nn.TransformerEncoderLayer names
 * it: linear1.*, linear2.*, norm2.*.
 */
#ifndef TERN_LAYERS_FEED_FORWARD_H
#define TERN_LAYERS_FEED_FORWARD_H

#include "layers/linear.h"
#include "layers/norm.h"

typedef struct tern_feed_forward_opts {
    int64_t size;   /* D                       */
    int64_t hidden; /* 0: 4 * D                */
    double dropout; /* 0 or less: none         */
    bool relu;      /* instead of gelu         */
} tern_feed_forward_opts;

typedef struct tern_feed_forward {
    tern_linear_layer linear1, linear2;
    tern_layer_norm_layer norm;
    double dropout;
} tern_feed_forward;

tern_feed_forward tern_feed_forward_declare(tern_ctx *ctx, tern_feed_forward_opts opts);
tern_tensor *tern_feed_forward_forward(tern_ctx *ctx, const tern_feed_forward *layer,
                                       tern_tensor *x);

/* x + dropout(branch): how every branch joins its residual. */
tern_tensor *tern_add_dropped(tern_ctx *ctx, tern_tensor *x, tern_tensor *branch, double dropout);

#endif
