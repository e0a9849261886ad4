/* GEMM in CUDA, float32 on the ordinary cores (no tensor cores), for the kernels of
 * other ops.
 *
 *   C[m,n] = act( (accumulate ? C[m,n] : 0) + sum_k A[m,k] * B[k,n] + bias[n] )
 *
 *   A [M,K]: A[m,k] is at a[m * a_stride + k], or a[k * a_stride + m] if A_TRANSPOSED
 *   B [K,N]: B[k,n] is at b[k * b_stride + n], or b[n * b_stride + k] if B_TRANSPOSED
 *
 * A block of 256 threads computes a TILE x TILE square of C.  It walks along k in steps
 * of 16; of each step the panels of A and B lie in shared memory, k outermost, twice:
 * while one is multiplied the next arrives.
 *
 *                        n0 ......... n0+TILE
 *                       +------------------+
 *                  k    |  b_panel         |  16 x TILE
 *                       +------------------+
 *       k
 *     +----+            +------------------+        thread (tx,ty) of 16 x 16 holds the
 *  m0 |    |            |  tx=0 1 2 ...    |        sums of 4 x 4 elements in registers,
 *   : | a_ |            |ty=0 .            |        and for TILE = 128 of the 4 x 4 ones
 *   : | p. |            |   1              |        that lie 64 rows and/or columns on:
 *     +----+            +------------------+
 *   TILE x 16             TILE x TILE                    rows    4 ty + 0..3 (+ 64)
 *   (transposed)                                         columns 4 tx + 0..3 (+ 64)
 *
 * For every k a thread reads 2 * TILE/16 floats from shared memory, as float4, and
 * makes (TILE/16)^2 multiply-adds: 4 for each float at TILE = 128, 2 at 64.
 * Panels have 4 floats of padding in each row, which spreads the transposing stores
 * over the banks and keeps rows on 16-byte boundaries.
 *
 * Each element is one sum along k in order, whatever the tile, so bits depend on the
 * problem alone.  Cost: 2 M N K FLOPs; every block reads its panels from memory or L2:
 * (M/TILE) * K * N + (N/TILE) * K * M floats in all.
 * Shared memory: 33.8 KB at 128, 17.4 KB at 64.
 */
#ifndef TERN_KERNELS_MATMUL_GEMM_CUH
#define TERN_KERNELS_MATMUL_GEMM_CUH

#include "kernels/cuda/quad.cuh"
#include "kernels/elementwise/activation.cuh"

constexpr int GEMM_SIDE = 16; /* threads along one side of a block */
constexpr int GEMM_THREADS = GEMM_SIDE * GEMM_SIDE;
constexpr int GEMM_STEP = 16; /* along k */
constexpr int GEMM_PADDING = 4;
constexpr int GEMM_GROUP = 4 * GEMM_SIDE;  /* rows or columns of C that a float4 a thread covers */
constexpr int64_t GEMM_ENOUGH_BLOCKS = 96; /* below this, smaller tiles occupy more of the chip */

struct tern_cuda_gemm {
    int m, n, k; /* in 32 bits: the kernel has no register to spare */
    const float *a, *b;
    float *c;
    int a_stride, b_stride, c_stride;
    const float *bias; /* [N] or NULL */
    float *before;     /* receives the value before the activation, laid out like C; or NULL */
    bool accumulate;
    bool a_aligned, b_aligned, c_aligned; /* set by tern_run_gemm: rows take float4 accesses */
};

/* ------------------------------------------- from global to shared memory -- */

/* One of a thread's quads of a panel: four values along k of one row of C (of one
 * column, for B), or four neighbouring rows at one k. */
template <int TILE, bool ALONG_K> struct gemm_quad {
    int line, k;

    __device__ explicit gemm_quad(int number)
    {
        constexpr int PER_LINE = ALONG_K ? GEMM_STEP / 4 : TILE / 4;
        int outer = number / PER_LINE, inner = number % PER_LINE * 4;
        line = ALONG_K ? outer : inner;
        k = ALONG_K ? inner : outer;
    }
};

/* The thread's part of a panel into registers; zeros beyond the edges of the matrix. */
template <int TILE, bool ALONG_K, int QUADS>
static __device__ __forceinline__ void gemm_fetch(float4 (&quads)[QUADS], const float *matrix,
                                                  int stride, int first_line, int lines,
                                                  int first_k, int depth, bool aligned)
{
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
        const gemm_quad<TILE, ALONG_K> at((int)threadIdx.x + i * GEMM_THREADS);
        int line = first_line + at.line, k = first_k + at.k;
        quads[i] = make_float4(0, 0, 0, 0);
        if (ALONG_K && line < lines)
            quads[i] = tern_load_quad(matrix + (int64_t)line * stride, k, depth, aligned, 0);
        if (!ALONG_K && k < depth)
            quads[i] = tern_load_quad(matrix + (int64_t)k * stride, line, lines, aligned, 0);
    }
}

template <int TILE, bool ALONG_K, int QUADS>
static __device__ __forceinline__ void
gemm_stash(float (&panel)[GEMM_STEP][TILE + GEMM_PADDING], const float4 (&quads)[QUADS])
{
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
        const gemm_quad<TILE, ALONG_K> at((int)threadIdx.x + i * GEMM_THREADS);
        if (ALONG_K) {
            panel[at.k][at.line] = quads[i].x;
            panel[at.k + 1][at.line] = quads[i].y;
            panel[at.k + 2][at.line] = quads[i].z;
            panel[at.k + 3][at.line] = quads[i].w;
        } else {
            *reinterpret_cast<float4 *>(&panel[at.k][at.line]) = quads[i];
        }
    }
}

/* ------------------------------------------------------------ the product -- */

/* A thread's share of one row of a panel: 4 floats of each group. */
template <int TILE>
static __device__ __forceinline__ void gemm_take(float (&share)[TILE / GEMM_SIDE], const float *row,
                                                 int place)
{
#pragma unroll
    for (int group = 0; group < TILE / GEMM_GROUP; group++) {
        float4 quad = *reinterpret_cast<const float4 *>(row + group * GEMM_GROUP + 4 * place);
        share[4 * group] = quad.x;
        share[4 * group + 1] = quad.y;
        share[4 * group + 2] = quad.z;
        share[4 * group + 3] = quad.w;
    }
}

template <int TILE>
static __device__ __forceinline__ void
gemm_multiply(float (&sums)[TILE / GEMM_SIDE][TILE / GEMM_SIDE],
              const float (&a_panel)[GEMM_STEP][TILE + GEMM_PADDING],
              const float (&b_panel)[GEMM_STEP][TILE + GEMM_PADDING], int tx, int ty)
{
    constexpr int SHARE = TILE / GEMM_SIDE;
#pragma unroll
    for (int k = 0; k < GEMM_STEP; k++) {
        float a[SHARE], b[SHARE];
        gemm_take<TILE>(a, a_panel[k], ty);
        gemm_take<TILE>(b, b_panel[k], tx);
#pragma unroll
        for (int i = 0; i < SHARE; i++)
#pragma unroll
            for (int j = 0; j < SHARE; j++)
                sums[i][j] += a[i] * b[j];
    }
}

/* Four neighbouring elements of C. */
template <tern_activation ACTIVATION>
static __device__ __forceinline__ void gemm_finish(const tern_cuda_gemm &gemm, int m, int n,
                                                   float4 sum)
{
    if (gemm.accumulate) {
        const float *row = gemm.c + (int64_t)m * gemm.c_stride;
        sum = tern_add_quads(tern_load_quad(row, n, gemm.n, gemm.c_aligned, 0), sum);
    }
    if (gemm.bias) {
        float4 bias = tern_load_quad(gemm.bias, n, gemm.n, gemm.c_aligned, 0);
        sum = make_float4(sum.x + bias.x, sum.y + bias.y, sum.z + bias.z, sum.w + bias.w);
    }
    if (gemm.before)
        tern_store_quad(gemm.before + (int64_t)m * gemm.c_stride, n, gemm.n, gemm.c_aligned, sum);
    float4 y = make_float4(tern_activate(ACTIVATION, sum.x), tern_activate(ACTIVATION, sum.y),
                           tern_activate(ACTIVATION, sum.z), tern_activate(ACTIVATION, sum.w));
    tern_store_quad(gemm.c + (int64_t)m * gemm.c_stride, n, gemm.n, gemm.c_aligned, y);
}

template <int TILE, bool A_TRANSPOSED, bool B_TRANSPOSED, tern_activation ACTIVATION>
static __global__ void __launch_bounds__(GEMM_THREADS, 2) gemm_kernel(const tern_cuda_gemm gemm)
{
    constexpr int SHARE = TILE / GEMM_SIDE, QUADS = TILE * GEMM_STEP / 4 / GEMM_THREADS;
    TERN_SHARED(float, a_panels, [2][GEMM_STEP][TILE + GEMM_PADDING]);
    TERN_SHARED(float, b_panels, [2][GEMM_STEP][TILE + GEMM_PADDING]);
    const int tx = (int)threadIdx.x % GEMM_SIDE, ty = (int)threadIdx.x / GEMM_SIDE;
    const int m0 = (int)blockIdx.x * TILE, n0 = (int)blockIdx.y * TILE;
    float sums[SHARE][SHARE] = {};
    float4 a_quads[QUADS], b_quads[QUADS];

    int now = 0;
    for (int k = 0; k < gemm.k + GEMM_STEP; k += GEMM_STEP) {
        /* Fetch step k while step k - 16 is multiplied. */
        if (k < gemm.k) {
            gemm_fetch<TILE, !A_TRANSPOSED>(a_quads, gemm.a, gemm.a_stride, m0, gemm.m, k, gemm.k,
                                            gemm.a_aligned);
            gemm_fetch<TILE, B_TRANSPOSED>(b_quads, gemm.b, gemm.b_stride, n0, gemm.n, k, gemm.k,
                                           gemm.b_aligned);
        }
        if (k > 0)
            gemm_multiply<TILE>(sums, a_panels[1 - now], b_panels[1 - now], tx, ty);
        if (k < gemm.k) {
            gemm_stash<TILE, !A_TRANSPOSED>(a_panels[now], a_quads);
            gemm_stash<TILE, B_TRANSPOSED>(b_panels[now], b_quads);
        }
        __syncthreads();
        now = 1 - now;
    }

#pragma unroll
    for (int i = 0; i < SHARE; i++) {
        int m = m0 + i / 4 * GEMM_GROUP + 4 * ty + i % 4;
        if (m >= gemm.m)
            continue;
#pragma unroll
        for (int j = 0; j < SHARE; j += 4)
            gemm_finish<ACTIVATION>(gemm, m, n0 + j / 4 * GEMM_GROUP + 4 * tx,
                                    make_float4(sums[i][j], sums[i][j + 1], sums[i][j + 2],
                                                sums[i][j + 3]));
    }
}

/* ---------------------------------------------------------------- launch -- */

/* Set m, n and k.  False and the context's error if one is more than the kernel can
 * count to, with room for a step beyond the edge. */
static inline bool tern_gemm_size(tern_call *call, tern_cuda_gemm *gemm, int64_t m, int64_t n,
                                  int64_t k)
{
    const int64_t most = (int64_t)1 << 30;
    if (m > most || n > most || k > most) {
        tern_call_fail(call, TERN_ERR_SHAPE,
                       "a product of [%lld,%lld] and [%lld,%lld]; on cuda an axis can have 2^30",
                       (long long)m, (long long)k, (long long)k, (long long)n);
        return false;
    }
    gemm->m = (int)m;
    gemm->n = (int)n;
    gemm->k = (int)k;
    return true;
}

static inline bool gemm_has_enough_blocks(const tern_cuda_gemm &gemm, int64_t tile)
{
    return (gemm.m + tile - 1) / tile * ((gemm.n + tile - 1) / tile) >= GEMM_ENOUGH_BLOCKS;
}

/* `name` is for messages.  Empty problems are fine: k == 0 is a sum of nothing. */
template <bool A_TRANSPOSED, bool B_TRANSPOSED, tern_activation ACTIVATION>
static void tern_run_gemm(tern_call *call, const char *name, tern_cuda_gemm gemm)
{
    gemm.a_aligned = tern_quads_fit(gemm.a, gemm.a_stride);
    gemm.b_aligned = tern_quads_fit(gemm.b, gemm.b_stride);
    gemm.c_aligned = tern_quads_fit(gemm.c, gemm.c_stride) && tern_quads_fit(gemm.bias, 0) &&
                     tern_quads_fit(gemm.before, 0);
    if (gemm_has_enough_blocks(gemm, 128))
        tern_launch(call, name, gemm_kernel<128, A_TRANSPOSED, B_TRANSPOSED, ACTIVATION>,
                    { dim3(tern_blocks(gemm.m, 128), tern_blocks(gemm.n, 128)), GEMM_THREADS },
                    gemm);
    else
        tern_launch(call, name, gemm_kernel<64, A_TRANSPOSED, B_TRANSPOSED, ACTIVATION>,
                    { dim3(tern_blocks(gemm.m, 64), tern_blocks(gemm.n, 64)), GEMM_THREADS }, gemm);
}

#endif
