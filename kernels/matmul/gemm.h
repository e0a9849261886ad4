/* GEMM, the general matrix product, for the cpu kernels of other ops.
 *
 *   C[i,j] = act( (accumulate ? C[i,j] : 0) + sum_p A[i,p] * B[p,j] + bias[j] )
 *
 *   A [m,k]: A[i,p] is at a[i * a_stride + p], or a[p * a_stride + i] if a_transposed
 *   B [k,n]: B[p,j] is at b[p * b_stride + j], or b[j * b_stride + p] if b_transposed
 *   C [m,n]: C[i,j] is at c[i * c_stride + j]; must not overlap A or B
 *
 * PyTorch's linear layer y = x W^T is { .a = x, .b = W, .b_transposed = true }.
 *
 * With batch > 1 the same is done for every index of a batch, whose matrices lie
 * a_batch, b_batch and c_batch elements apart (0: the same matrix for all).
 *
 * Kernels do not allocate: ask tern_gemm_scratch for the bytes when the op is asked
 * for its workspace, and hand that memory over when it runs.  Called from inside a
 * tile of a parallel loop, pass pool NULL (one thread) and scratch of its own.
 *
 * The result is the same to the bit for any number of threads.  Empty problems are
 * fine: k == 0 means a sum of nothing.
 *
 * Each function exists once per SIMD level; a *_cpu.c file calls its own level's:
 *     TERN_LEVEL(tern_gemm_run)(pool, &gemm);
 */
#ifndef TERN_KERNELS_GEMM_H
#define TERN_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/simd.h"
#include "core/threads.h"
#include "kernels/elementwise/activation.h"

typedef struct tern_gemm {
    int64_t m, n, k;
    const float *a, *b;
    float *c;
    int64_t a_stride, b_stride, c_stride; /* elements from one row to the next, as stored */
    bool a_transposed, b_transposed;
    bool b_packed; /* b was made by tern_gemm_pack_b; b_stride, b_transposed are unused */
    bool accumulate;

    const float *bias;          /* [n] or NULL                                       */
    tern_activation activation; /* default none                                      */
    float *before;              /* receives the value before the activation, laid out
                                   like C (for gelu's backward), or NULL             */

    int64_t batch; /* 0 means 1 */
    int64_t a_batch, b_batch, c_batch;

    void *scratch; /* 64-byte aligned, tern_gemm_scratch bytes */
} tern_gemm;

/* Bytes of scratch for this problem on that many threads.  Looks at sizes, strides
 * and flags only, never at the pointers (but whether bias and before are NULL). */
size_t TERN_LEVEL(tern_gemm_scratch)(const tern_gemm *gemm, int threads);
/* The same for this problem and every one with smaller m, n or k: for callers that
 * learn the sizes only when they run, as from sequences' lengths. */
size_t TERN_LEVEL(tern_gemm_scratch_up_to)(const tern_gemm *gemm, int threads);

void TERN_LEVEL(tern_gemm_run)(tern_pool *pool, const tern_gemm *gemm);

/* Put B into the order in which the inner loop reads it, to use it many times: a
 * recurrent matrix over all time steps.  `packed` is 64-byte aligned. */
size_t TERN_LEVEL(tern_gemm_packed_bytes)(int64_t k, int64_t n);
void TERN_LEVEL(tern_gemm_pack_b)(tern_pool *pool, int64_t k, int64_t n, const float *b,
                                  int64_t b_stride, bool b_transposed, float *packed);

/* A whole implementation of GEMM, so that linear and matmul run on any of them.  One that
 * does not take a packed B leaves the last two out. */
typedef struct tern_gemm_provider {
    size_t (*scratch)(const tern_gemm *gemm, int threads);
    void (*run)(tern_pool *pool, const tern_gemm *gemm);
    size_t (*packed_bytes)(int64_t k, int64_t n);
    void (*pack_b)(tern_pool *pool, int64_t k, int64_t n, const float *b, int64_t b_stride,
                   bool b_transposed, float *packed);
} tern_gemm_provider;

extern const tern_gemm_provider TERN_LEVEL(tern_gemm_hand); /* the functions above */

#endif
