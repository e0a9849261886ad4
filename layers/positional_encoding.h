/* Positional encoding: what stands where is added to a sequence, for attention sees a set.
 *
 *   y[n,t,:] = dropout( x[n,t,:] + code[t,:] )       x [N,T,D] -> y [N,T,D]
 *
 *   sinusoidal  code as in kernels/positions/sinusoidal_positions.h (Vaswani et al. 2017,
 *               arXiv:1706.03762): nothing to learn, any length
 *   learned     code = weight, one vector for each of `length` positions (Gehring et al.
 *               2017, arXiv:1705.03122); T may be shorter
 *
 * A third way, rotary embedding, turns queries and keys inside attention: it is the op
 * kernels/positions/rotary.h.
 *
 * State: sinusoidal none; learned as nn.Embedding: weight [length,D], not decayed.
 * Errors: TERN_ERR_SHAPE if x is not [N,T,D] or there are more steps than positions.
 */
#ifndef TERN_LAYERS_POSITIONAL_ENCODING_H
#define TERN_LAYERS_POSITIONAL_ENCODING_H

#include "core/context.h"
#include "core/params.h"

typedef struct tern_positional_encoding_opts {
    int64_t learned; /* how many positions are learned; default 0: sinusoidal */
    double base;     /* of the sinusoids' wavelengths; default 10000          */
    double dropout;  /* in training                                           */
    tern_init init;  /* of learned positions; default normal, deviation 1     */
} tern_positional_encoding_opts;

typedef struct tern_positional_encoding {
    const char *name;
    int64_t size;
    tern_tensor *weight; /* NULL: sinusoidal */
    tern_positional_encoding_opts opts;
} tern_positional_encoding;

tern_positional_encoding tern_positional_encoding_declare(tern_ctx *ctx, const char *name,
                                                          int64_t size,
                                                          tern_positional_encoding_opts opts);
tern_tensor *tern_positional_encoding_forward(tern_ctx *ctx,
                                              const tern_positional_encoding *layer,
                                              tern_tensor *x);

#endif
