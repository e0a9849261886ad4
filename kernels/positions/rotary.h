/* Rotary position embedding (Su et al. 2021, arXiv:2104.09864): each pair of elements is
 * turned by an angle proportional to the position, so that the product of a query and a
 * key depends on how far they are apart.
 *
 *   angle[t,i] = (offset + t) * base^(-2i/D)             i < D/2
 *   y_a = x_a cos(angle) - x_b sin(angle)
 *   y_b = x_a sin(angle) + x_b cos(angle)
 *
 *   x     [..., T, H*D]   H heads side by side, as attention takes queries and keys
 *   -> y  [..., T, H*D]
 *
 * Pair i of a head is, by opts.pairing:
 *   TERN_ROTARY_INTERLEAVED  a = 2i, b = 2i + 1      the paper's (GPT-J)
 *   TERN_ROTARY_HALVES       a = i,  b = i + D/2     GPT-NeoX, Llama in Hugging Face's layout
 *
 * Backward turns the gradient by the opposite angle.
 * Cost: 3 FLOPs per element; T * D sines and cosines, which do not depend on the batch.
 * Errors: TERN_ERR_SHAPE if x has fewer than two axes, its last axis is not H heads, or
 * D is odd.
 */
#ifndef TERN_KERNELS_POSITIONS_ROTARY_H
#define TERN_KERNELS_POSITIONS_ROTARY_H

#include "core/context.h"
#include "core/op.h"

typedef enum tern_rotary_pairing {
    TERN_ROTARY_INTERLEAVED,
    TERN_ROTARY_HALVES
} tern_rotary_pairing;

typedef struct tern_rotary_opts {
    int64_t heads;  /* H; default 1                               */
    int pairing;    /* tern_rotary_pairing; default interleaved   */
    double base;    /* default 10000                              */
    int64_t offset; /* position of the first element; default 0   */
} tern_rotary_opts;

extern const tern_op tern_op_rotary;

tern_tensor *tern_rotary(tern_ctx *ctx, tern_tensor *x, tern_rotary_opts opts);

#endif
