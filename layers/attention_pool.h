/* Attention pooling: one learned query looks at a sequence.
 *
 *   y[n] = sum_t softmax_t( <query, Wk x[n,t] + bk> / sqrt(D) ) x[n,t]
 *
 * for each head's part of query, keys and x by itself.  It weighs the steps and leaves
 * them as they are, so what it starts from is close to their mean (the learned query of
 * Yang et al. 2016, "Hierarchical attention networks", with the transformer's scores).
 *
 *   x [N,T,D], mask u8 [N,T] or NULL -> y [N,D]; a fully masked row gives zero
 *
 * State: query [D], normal with deviation 1 at first, and key.* as nn.Linear.
 * Errors: TERN_ERR_SHAPE if x has not three axes.
 */
#ifndef TERN_LAYERS_ATTENTION_POOL_H
#define TERN_LAYERS_ATTENTION_POOL_H

#include "layers/linear.h"

typedef struct tern_attention_pool {
    const char *name;
    tern_tensor *query;
    tern_linear_layer key;
    int64_t size, heads;
} tern_attention_pool;

tern_attention_pool tern_attention_pool_declare(tern_ctx *ctx, const char *name, int64_t size,
                                                int64_t heads);
tern_tensor *tern_attention_pool_forward(tern_ctx *ctx, const tern_attention_pool *layer,
                                         tern_tensor *x, tern_tensor *mask);

#endif
