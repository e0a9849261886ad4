/* One transformer encoder layer, pre-LN (Xiong et al. 2020, arXiv:2002.04745).
 *
 *   x += dropout(attention(norm1(x), norm1(x)))
 *   x += dropout(linear2(dropout(gelu(linear1(norm2(x))))))
 *
 * State as nn.TransformerEncoderLayer(norm_first=True): self_attn.*, linear1.*,
 * linear2.*, norm1.*, norm2.*.  layers/cross_modal.h is its form across two streams.
 */
#ifndef TERN_LAYERS_TRANSFORMER_H
#define TERN_LAYERS_TRANSFORMER_H

#include "layers/feed_forward.h"
#include "layers/multi_head_attention.h"

typedef struct tern_transformer_opts {
    int64_t size;   /* D                                    */
    int64_t heads;  /* a divisor of D                       */
    int64_t hidden; /* of the feed-forward part; 0: 4 * D   */
    double dropout; /* 0 or less: none                      */
    bool relu;      /* instead of gelu, PyTorch's default   */
    bool causal;    /* no step sees a later one             */
} tern_transformer_opts;

typedef struct tern_transformer_layer {
    const char *name;
    double dropout;
    tern_multi_head_attention attention;
    tern_layer_norm_layer norm1;
    tern_feed_forward feed_forward;
} tern_transformer_layer;

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts);
/* x [N,L,D], mask u8 [N,L] or NULL -> [N,L,D]; what masked steps hold is seen by no
 * other step. */
tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask);

#endif
