/* One cross-modal encoder layer (MulT: Tsai et al. 2019, arXiv:1906.00295): a target
 * stream looks at a source stream.
 *
 *   pre-norm, as in MulT
 *
 *   target [N,Lt,D] --+--> norm1 ----> queries -----------+
 *                     |                                   v
 *                     |    source [N,Ls,D] -> norm_source -> keys, values: attention
 *                     |                                                    [N,Lt,D]
 *                     +--------------------> + <-- dropout <------------------+
 *                                            |
 *                     +----------------------+
 *                     +--> norm2 -> feed-forward ----------------+
 *                     +--------------------> + <-----------------+
 *                                            |
 *                                            y [N,Lt,D]
 *
 *   post-norm: the streams attend as they are, norm1 follows the first sum and norm2 the
 *   second, as in layers/transformer.h; there is no norm_source.
 *
 * With time codes (models/stream.h), queries and keys are what they would be without plus
 * TIME_GAIN times the code of their moment, and Wk starts as a copy of Wq: before
 * anything is learnt a step attends to what the other stream does at its own time.
 * Values carry no code.
 *
 * The streams may differ in length and rate; they need not be aligned.  In a stack of
 * such layers the source is the same for all, as it entered the stack.
 *
 * State: self_attn.*, linear1.*, linear2.*, norm1.*, norm2.* as in layers/transformer.h,
 * and norm_source.*, unless the source goes through norm1 as well: MulT's own code has
 * one norm for both streams.
 * Errors: TERN_ERR_OPTION if heads does not divide D; TERN_ERR_SHAPE if the streams, masks,
 * time codes or the bias do not fit.
 */
#ifndef TERN_LAYERS_CROSS_MODAL_H
#define TERN_LAYERS_CROSS_MODAL_H

#include "layers/feed_forward.h"
#include "layers/multi_head_attention.h"
#include "layers/norm.h"

typedef struct tern_cross_modal_opts {
    int64_t size;     /* D of both streams                                   */
    int64_t heads;    /* a divisor of D                                      */
    int64_t hidden;   /* of the feed-forward part; 0: 4 * D                  */
    double dropout;   /* in training; 0 or less: none                        */
    bool relu;        /* instead of gelu; MulT has relu                      */
    bool causal;      /* aligned bottom-right: kernels/attention/attention.h */
    bool post_norm;
    bool shared_norm; /* norm1 for both streams                              */
    bool timed;       /* forward is given time codes                         */
    double norm_eps;  /* default 1e-5                                        */
    tern_init init;   /* of all weights                                      */
} tern_cross_modal_opts;

typedef struct tern_cross_modal_layer {
    const char *name;
    double dropout;
    bool timed, post_norm;
    tern_multi_head_attention attention;
    tern_layer_norm_layer norm1, norm_source, norm2;
    tern_feed_forward feed_forward;
} tern_cross_modal_layer;

tern_cross_modal_layer tern_cross_modal_layer_declare(tern_ctx *ctx, const char *name,
                                                      tern_cross_modal_opts opts);
/* One of the two streams: x [N,L,D], mask u8 [N,L] or NULL, time [N,L,D] if timed. */
typedef struct tern_cross_modal_stream {
    tern_tensor *x, *mask, *time;
} tern_cross_modal_stream;

tern_tensor *tern_cross_modal_layer_forward(tern_ctx *ctx, const tern_cross_modal_layer *layer,
                                            tern_cross_modal_stream target,
                                            tern_cross_modal_stream source,
                                            tern_attention_extras extras);

#endif
