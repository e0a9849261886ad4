/* Matrix product, batched.
 *
 *   y[..., i, j] = sum_p a[..., i, p] * b[..., p, j]
 *
 *   a       [..., M, K], or [..., K, M] with transpose_a
 *   b       [..., K, N], or [..., N, K] with transpose_b
 *   -> y    [..., M, N]
 *
 * The leading axes of a and b are equal, or one of the two is a plain matrix, which then
 * meets every matrix of the other.
 * Cost: 2 * batch * M * N * K FLOPs forward, twice that backward.
 * Errors: TERN_ERR_SHAPE if K or the leading axes differ, or a rank is below 2.
 */
#ifndef TERN_KERNELS_MATMUL_H
#define TERN_KERNELS_MATMUL_H

#include "core/context.h"
#include "core/op.h"

typedef struct tern_matmul_opts {
    bool transpose_a, transpose_b;
} tern_matmul_opts;

extern const tern_op tern_op_matmul;

tern_tensor *tern_matmul(tern_ctx *ctx, tern_tensor *a, tern_tensor *b, tern_matmul_opts opts);

/* The sizes of a call, for the op's kernels: y of batch index t is the product of the
 * matrices a + t * a_batch and b + t * b_batch; a step of 0 is a plain matrix's. */
typedef struct tern_matmul_sizes {
    int64_t batch, m, n, k;
    int64_t a_batch, b_batch;
    bool transpose_a, transpose_b;
} tern_matmul_sizes;

tern_matmul_sizes tern_matmul_sizes_of(const tern_call *call);

#endif
