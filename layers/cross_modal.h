/* One cross-modal encoder layer, pre-LN (MulT: Tsai et al. 2019, arXiv:1906.00295): a
 * target stream looks at a source stream.
 *
 *   target [N,Lt,D]  ---norm1---> queries ----------+
 *        |                                          v
 *        |           source [N,Ls,D] -norm_source-> keys, values: attention [N,Lt,D]
 *        +-------------------- + <---------------------+
 *                              |
 *                    feed-forward with residual  ->  y [N,Lt,D]
 *
 * With time codes (models/stream.h), queries and keys are normalised features plus
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
 */
#ifndef TERN_LAYERS_CROSS_MODAL_H
#define TERN_LAYERS_CROSS_MODAL_H

#include "layers/feed_forward.h"
#include "layers/multi_head_attention.h"

typedef struct tern_cross_modal_opts {
    int64_t size;     /* D of both streams                                   */
    int64_t heads;    /* a divisor of D                                      */
    int64_t hidden;   /* of the feed-forward part; 0: 4 * D                  */
    double dropout;   /* 0 or less: none                                     */
    bool relu;        /* instead of gelu; MulT has relu                      */
    bool causal;      /* aligned bottom-right: kernels/attention/attention.h */
    bool shared_norm; /* norm1 for both streams                              */
    bool timed;       /* forward is given time codes                         */
} tern_cross_modal_opts;

typedef struct tern_cross_modal_layer {
    const char *name;
    double dropout;
    bool timed;
    tern_multi_head_attention attention;
    tern_layer_norm_layer norm1, norm_source;
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
                                            tern_cross_modal_stream source);

#endif
