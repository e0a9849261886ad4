/* Transformer encoder layer (Vaswani et al. 2017, arXiv:1706.03762), and several in a row.
 *
 *   pre-norm (Xiong et al. 2020, arXiv:2002.04745)      post-norm, as in the first paper
 *
 *   x ---+--> norm1 -> self-attention -> dropout --+    x --+--> self-attention -> dropout --+
 *        +-----------------> + <-------------------+        +---------> + <------------------+
 *                            |                                          |
 *        +-------------------+                                    h = norm1
 *        +--> norm2 -> feed-forward ---------------+        +--> feed-forward ---------------+
 *        +-----------------> + <-------------------+        +---------> + <------------------+
 *                            |                                          |
 *                            y                                    y = norm2
 *
 * Pre-norm trains without warm-up, for x reaches y unhindered; a stack of such layers ends
 * in a norm of its own.  The feed-forward part is layers/feed_forward.h's.
 *
 * State as nn.TransformerEncoderLayer(norm_first=True or False): self_attn.*, linear1.*,
 * linear2.*, norm1.*, norm2.*; of the stack as nn.TransformerEncoder: layers.0.*, ...,
 * norm.*.  layers/cross_modal.h is the form across two streams.
 * Errors: TERN_ERR_OPTION if heads does not divide D; TERN_ERR_SHAPE if x, the mask or the
 * bias does not fit.
 */
#ifndef TERN_LAYERS_TRANSFORMER_H
#define TERN_LAYERS_TRANSFORMER_H

#include "layers/feed_forward.h"
#include "layers/multi_head_attention.h"
#include "layers/norm.h"
#include "layers/stack.h"

typedef struct tern_transformer_opts {
    int64_t size;    /* D                                         */
    int64_t heads;   /* a divisor of D                            */
    int64_t hidden;  /* of the feed-forward part; 0: 4 * D        */
    double dropout;  /* in training; 0 or less: none              */
    bool relu;       /* instead of gelu; PyTorch's default        */
    bool causal;     /* no step sees a later one                  */
    bool post_norm;  /* PyTorch's default, norm_first=False       */
    double norm_eps; /* default 1e-5                              */
    tern_init init;  /* of all weights                            */
} tern_transformer_opts;

typedef struct tern_transformer_layer {
    const char *name;
    double dropout;
    bool post_norm;
    tern_multi_head_attention attention;
    tern_layer_norm_layer norm1, norm2;
    tern_feed_forward feed_forward;
} tern_transformer_layer;

tern_transformer_layer tern_transformer_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_transformer_opts opts);
/* x [N,L,D], mask u8 [N,L] or NULL -> [N,L,D]; what masked steps hold is seen by no
 * other step. */
tern_tensor *tern_transformer_layer_forward(tern_ctx *ctx, const tern_transformer_layer *layer,
                                            tern_tensor *x, tern_tensor *mask,
                                            tern_attention_extras extras);

/* ---------------------------------------------------------------- stack -- */

typedef struct tern_transformer_encoder {
    const char *name;
    int count;
    tern_transformer_layer layer[TERN_STACK_LAYERS];
    tern_layer_norm_layer norm; /* behind pre-norm layers */
} tern_transformer_encoder;

/* TERN_ERR_OPTION if count is not from 1 to TERN_STACK_LAYERS. */
tern_transformer_encoder tern_transformer_encoder_declare(tern_ctx *ctx, const char *name,
                                                          int count, tern_transformer_opts opts);
/* bias is added to the scores of every layer, or NULL. */
tern_tensor *tern_transformer_encoder_forward(tern_ctx *ctx,
                                              const tern_transformer_encoder *encoder,
                                              tern_tensor *x, tern_tensor *mask,
                                              tern_tensor *bias);

#endif
