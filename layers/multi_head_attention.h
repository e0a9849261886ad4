/* Multi-head attention with its projections (Vaswani et al. 2017, arXiv:1706.03762), of
 * one stream on itself or of a target stream on a source stream.
 *
 *   query [N,Lq,D]           -> q = query Wq' + bq  [N,Lq,D] --+
 *   key   [N,Lk,key_size]    -> k = key Wk' + bk    [N,Lk,D] --+-> attention of each head
 *   value [N,Lk,value_size]  -> v = value Wv' + bv  [N,Lk,D] --+       [N,Lq,D]
 *                                                                         |
 *                                            y = (...) Wo' + bo  [N,Lq,D] <
 *
 * State as nn.MultiheadAttention: in_proj_weight [3D,D] (the rows of q, k and v) where
 * all sizes are D (and no tied start), else q_proj_weight [D,D], k_proj_weight [D,key_size] and
 * v_proj_weight [D,value_size]; in_proj_bias [3D], out_proj.weight [D,D], out_proj.bias [D].
 * Projections start Xavier uniform, out_proj.weight as nn.Linear's, biases as zeros.
 * Errors: TERN_ERR_OPTION if heads does not divide D; TERN_ERR_SHAPE as of the ops linear
 * and attention.
 */
#ifndef TERN_LAYERS_MULTI_HEAD_ATTENTION_H
#define TERN_LAYERS_MULTI_HEAD_ATTENTION_H

#include "layers/linear.h"

typedef struct tern_multi_head_attention_opts {
    int64_t size;       /* D, of the queries and of y       */
    int64_t heads;      /* a divisor of D; default 1        */
    int64_t key_size;   /* channels of the keys; 0: D       */
    int64_t value_size; /* channels of the values; 0: D     */
    double dropout;     /* of the attention weights, in training; 0 or less: none */
    bool causal;        /* see kernels/attention/attention.h */
    bool no_bias;       /* of all projections               */
    bool tied_start;    /* Wk starts as a copy of Wq, so that like finds like; the
                           weights are then three tensors, learnt apart        */
    tern_init init;     /* of all weights                   */
} tern_multi_head_attention_opts;

typedef struct tern_multi_head_attention {
    const char *name;
    tern_multi_head_attention_opts opts;
    tern_tensor *in_weight;                     /* NULL where the sizes differ */
    tern_tensor *q_weight, *k_weight, *v_weight; /* NULL where they do not     */
    tern_tensor *in_bias;
    tern_linear_layer out;
} tern_multi_head_attention;

tern_multi_head_attention tern_multi_head_attention_declare(tern_ctx *ctx, const char *name,
                                                            tern_multi_head_attention_opts opts);

/* What an attention may be given and asked for beside its streams and masks. */
typedef struct tern_attention_extras {
    tern_tensor *bias;     /* added to the scores, [N,heads,Lq,Lk] or what broadcasts to it
                              (kernels/attention/attention.h); NULL: none              */
    tern_tensor **weights; /* receives the attention weights [N,heads,Lq,Lk] unless NULL */
} tern_attention_extras;

/* query [N,Lq,D], key [N,Lk,key_size], value [N,Lk,value_size], which may be one and the
 * same tensor; masks u8 [N,Lq] and [N,Lk] or NULL.  -> [N,Lq,D]; a query that is masked
 * or sees no key gives the output bias. */
tern_tensor *tern_multi_head_attention_forward(tern_ctx *ctx,
                                               const tern_multi_head_attention *layer,
                                               tern_tensor *query, tern_tensor *key,
                                               tern_tensor *value, tern_tensor *query_mask,
                                               tern_tensor *key_mask,
                                               tern_attention_extras extras);

#endif
