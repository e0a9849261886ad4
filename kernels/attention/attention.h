/* Multi-head scaled dot-product attention, fused (Vaswani et al. 2017,
 * arXiv:1706.03762), with separate query and key masks and an additive bias.
 *
 * For each row n and head h, whose channels lie side by side in the last axis:
 *   score[i,j] = scale * sum_d q[n,i,h,d] * k[n,j,h,d] + bias[n,h,i,j]
 *   p[i,:]     = softmax of score[i,:] over the keys that query i may see
 *   y[n,i,h,:] = sum_j p[i,j] * v[n,j,h,:]
 *
 *   q           [N, Lq, heads*D]
 *   k           [N, Lk, heads*D]
 *   v           [N, Lk, heads*Dv]     Lk != Lq and Dv != D are fine
 *   query_mask  [N, Lq] u8            or NULL; 1 = valid
 *   key_mask    [N, Lk] u8            or NULL; 1 = valid
 *   bias        [N, heads, Lq, Lk], [heads, Lq, Lk] or [Lq, Lk], or NULL for zeros;
 *               N or heads may be 1 too: the same for all rows or heads
 *   -> y        [N, Lq, heads*Dv]
 *   -> weights  [N, heads, Lq, Lk]    only with return_weights; averaging over
 *                                     heads is the caller's business
 *
 * Query i sees key j if the key is valid and, with `causal`, j <= i + Lk - Lq:
 * the last query sees all keys (aligned bottom-right).  A query that is masked
 * or sees no key at all gives zero, with zero gradient, never NaN.  A bias of -infinity
 * hides a key as a mask does; where nothing is seen, the bias is not read.
 *
 * Dropout in training mode acts on p: weight (n,h,i,j) draws element
 * ((n*heads + h)*Lq + i)*Lk + j of the call's random stream and is kept, times
 * 1/(1-dropout), if that is >= dropout.  As in PyTorch, `weights` holds what
 * multiplies v, after dropout; a gradient may flow into it.
 *
 * Saved for backward: log of the sum of exp(score) of each query, [N,heads,Lq];
 * p is computed anew from it, so memory grows with L, not with L*L.
 * Cost: 2 * N * heads * Lq * Lk * (D + Dv) FLOPs forward, 2.5 times that backward.
 * Errors: TERN_ERR_SHAPE if N, Lk, or the channels of q and k differ, if a last
 * axis is not a multiple of heads, or if the bias does not broadcast as above.
 */
#ifndef TERN_KERNELS_ATTENTION_H
#define TERN_KERNELS_ATTENTION_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_attention_opts {
    int64_t heads;       /* default 1                              */
    double scale;        /* 0 means 1/sqrt(D)                      */
    bool causal;         /* no key after the query, bottom-right   */
    double dropout;      /* probability that a weight is dropped   */
    bool return_weights; /* give the second output                 */
} tern_attention_opts;

/* Positions of the op's inputs, outputs and saved tensors. */
enum {
    TERN_ATTENTION_Q, TERN_ATTENTION_K, TERN_ATTENTION_V, TERN_ATTENTION_QUERY_MASK,
    TERN_ATTENTION_KEY_MASK, TERN_ATTENTION_BIAS, TERN_ATTENTION_INPUTS
};
enum { TERN_ATTENTION_Y, TERN_ATTENTION_WEIGHTS, TERN_ATTENTION_OUTPUTS };
enum { TERN_ATTENTION_LOG_SUM };

extern const tern_op tern_op_attention;

/* weights may be NULL; it is set only with return_weights. */
tern_tensor *tern_attention(tern_ctx *ctx, tern_tensor *q, tern_tensor *k, tern_tensor *v,
                            tern_tensor *query_mask, tern_tensor *key_mask, tern_tensor *bias,
                            tern_attention_opts opts, tern_tensor **weights);

/* How the bias broadcasts, for the op's implementations: it is [rows, heads, Lq, Lk],
 * and row n, head h read its row n % rows and head h % heads. */
typedef struct tern_attention_bias {
    int64_t rows, heads;
} tern_attention_bias;

static inline tern_attention_bias tern_attention_bias_of(const tern_tensor *bias)
{
    return (tern_attention_bias){ bias && bias->rank == 4 ? bias->shape[0] : 1,
                                  bias && bias->rank >= 3 ? bias->shape[bias->rank - 3] : 1 };
}

#endif
