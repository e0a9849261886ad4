/* One transformer encoder layer, pre-LN, for one stream or across two streams.
 *
 *   self:   x += dropout(attention(norm1(x), norm1(x)))
 *   cross:  x += dropout(attention(norm1(x), norm_source(source)))
 *   both:   x += dropout(linear2(dropout(gelu(linear1(norm2(x))))))
 *
 * The cross form is MulT's cross-modal layer (Tsai et al. 2019, arXiv:1906.00295):
 * queries come from the target stream, keys and values from the source stream, so
 * the lengths may differ.
 *
 * State as nn.TransformerEncoderLayer(norm_first=True, activation="gelu"): self_attn.*,
 * linear1.*, linear2.*, norm1.*, norm2.*; the cross form has norm_source.* besides.
 */
#ifndef TERN_LAYERS_TRANSFORMER_H
#define TERN_LAYERS_TRANSFORMER_H

#include "layers/multi_head_attention.h"
#include "layers/norm.h"

typedef struct tern_transformer_opts {
    int64_t size;      /* D                                  */
    int64_t heads;
    int64_t hidden;    /* of the feed-forward part; 0: 4 * D */
    double dropout;
    bool cross;        /* attends to another stream          */
} tern_transformer_opts;

typedef struct tern_transformer_layer {
    const char *name;
    tern_transformer_opts opts;
    tern_multi_head_attention attention;
    tern_linear_layer linear1, linear2;
    tern_layer_norm_layer norm1, norm2, norm_source;
} tern_transformer_layer;

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts);
/* x [N,L,D], mask [N,L]; source [N,Ls,D] and its mask for the cross form, else NULL. */
tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask, tern_tensor *source,
                                            tern_tensor *source_mask);

#endif
