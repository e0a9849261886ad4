/* Sinusoidal positions (Vaswani et al. 2017, arXiv:1706.03762, section 3.5), added to a
 * sequence or on their own.
 *
 *   code[t, 2i]     = sin((offset + t) / base^(2i/D))
 *   code[t, 2i + 1] = cos((offset + t) / base^(2i/D))
 *
 *   x     [..., T, D]  or NULL
 *   -> y  [..., T, D]  y[..., t, d] = x[..., t, d] + code[t, d]
 *         [T, D]       without x: the code, with T = opts.length and D = opts.size
 *
 * An odd D ends with a sine.  The scaling of x by sqrt(D) that comes before in the paper
 * belongs to the embedding and is not done here.
 * Cost: one addition per element; T * D sines or cosines, which do not depend on the batch.
 * Errors: TERN_ERR_SHAPE if x has fewer than two axes, TERN_ERR_OPTION if length and size
 * are given beside x.
 */
#ifndef TERN_KERNELS_POSITIONS_SINUSOIDAL_H
#define TERN_KERNELS_POSITIONS_SINUSOIDAL_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_sinusoidal_positions_opts {
    double base;    /* default 10000                                */
    int64_t offset; /* position of the first element; default 0     */
    int64_t length, size; /* y's extents where there is no x; else 0 */
} tern_sinusoidal_positions_opts;

extern const tern_op tern_op_sinusoidal_positions;

tern_tensor *tern_sinusoidal_positions(tern_ctx *ctx, tern_tensor *x,
                                       tern_sinusoidal_positions_opts opts);

#endif
