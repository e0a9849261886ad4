/* Multi-head attention with its projections, of one stream on itself or of a
 * target stream on a source stream.
 *
 *   q = target Wq' + bq,  k = source Wk' + bk,  v = source Wv' + bv
 *   y = attention(q, k, v) Wo' + bo
 *
 * State as nn.MultiheadAttention with equal sizes: in_proj_weight [3D,D] (the rows
 * of q, k, v), in_proj_bias [3D], out_proj.weight [D,D], out_proj.bias [D].
 */
#ifndef TERN_LAYERS_MULTI_HEAD_ATTENTION_H
#define TERN_LAYERS_MULTI_HEAD_ATTENTION_H

#include "layers/linear.h"

typedef struct tern_multi_head_attention {
    const char *name;
    tern_tensor *in_weight, *in_bias;
    tern_linear_layer out;
    int64_t size, heads;
    double dropout; /* of attention weights */
} tern_multi_head_attention;

tern_multi_head_attention tern_multi_head_attention_declare(tern_ctx *ctx, const char *name,
                                                            int64_t size, int64_t heads,
                                                            double dropout);
/* target [N,Lq,D], source [N,Lk,D] (the same tensor for self-attention); masks u8 or
 * NULL.  -> [N,Lq,D] */
tern_tensor *tern_multi_head_attention_forward(tern_ctx *ctx,
                                               const tern_multi_head_attention *layer,
                                               tern_tensor *target, tern_tensor *source,
                                               tern_tensor *target_mask, tern_tensor *source_mask);

#endif
