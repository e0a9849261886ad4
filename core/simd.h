/* SIMD vectors through the compilers' vector extensions.
 *
 * Each *_cpu.c is compiled once per level with TERN_LEVEL_NAME and the level's
 * -m flags: base (SSE2, 4 floats), avx2 (8, FMA), avx512 (16, FMA).  The code is
 * the same; only the width TERN_LANES changes.  gcc and clang turn a*b+c into a
 * fused multiply-add where there is one (-ffp-contract=fast for these files).
 *
 * What a level exports is named through TERN_LEVEL:
 *     const tern_impl TERN_LEVEL(tern_linear_cpu) = { ... };
 * gives tern_linear_cpu_avx512 and so on; kernels/table.c chooses at run time.
 */
#ifndef TERN_CORE_SIMD_H
#define TERN_CORE_SIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h> /* for masks, which vector extensions do not have */
#endif

/* Before a short loop over registers. */
#ifdef __clang__
#define TERN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TERN_UNROLL _Pragma("GCC unroll 16")
#endif

#ifndef TERN_LEVEL_NAME
#define TERN_LEVEL_NAME base
#endif
#define TERN_JOIN2(a, b) a##_##b
#define TERN_JOIN(a, b) TERN_JOIN2(a, b)
#define TERN_LEVEL(symbol) TERN_JOIN(symbol, TERN_LEVEL_NAME)

#if defined(__AVX512F__)
enum { TERN_LANES = 16 };
#define TERN_VECTOR_BYTES 64
#elif defined(__AVX2__)
enum { TERN_LANES = 8 };
#define TERN_VECTOR_BYTES 32
#else
enum { TERN_LANES = 4 };
#define TERN_VECTOR_BYTES 16
#endif

typedef float tern_vf __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef int32_t tern_vi __attribute__((vector_size(TERN_VECTOR_BYTES)));

/* Unaligned load and store; compile to one instruction. */
static inline tern_vf tern_load(const float *p)
{
    tern_vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void tern_store(float *p, tern_vf v)
{
    memcpy(p, &v, sizeof v);
}

static inline tern_vf tern_splat(float x)
{
    return x - (tern_vf){ 0 };
}

/* n >= 0 lanes from p on, and fill in the others; what lies behind them is not touched.  A
 * memcpy of a length that is not known would be a call, which costs more than many kernels'
 * whole work on a short row. */
static inline tern_vf tern_load_lanes(const float *p, int64_t n, tern_vf fill)
{
#if defined(__AVX512F__)
    return (tern_vf)_mm512_mask_loadu_ps((__m512)fill, (__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    const tern_vi lane = { 0, 1, 2, 3, 4, 5, 6, 7 };
    tern_vi mask = lane < (int32_t)n;
    tern_vf loaded = (tern_vf)_mm256_maskload_ps(p, (__m256i)mask);
    return (tern_vf)((mask & (tern_vi)loaded) | (~mask & (tern_vi)fill));
#else
    memcpy(&fill, p, (size_t)n * sizeof(float));
    return fill;
#endif
}

static inline void tern_store_lanes(float *p, tern_vf v, int64_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    const tern_vi lane = { 0, 1, 2, 3, 4, 5, 6, 7 };
    _mm256_maskstore_ps(p, (__m256i)(lane < (int32_t)n), (__m256)v);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* The first n lanes, or all when n >= TERN_LANES, so that a loop over a row may
 * pass what is left of it; the rest of the lanes are zero. */
static inline tern_vf tern_load_part(const float *p, int64_t n)
{
    return n >= TERN_LANES ? tern_load(p) : tern_load_lanes(p, n, (tern_vf){ 0 });
}

/* The same with fill in the rest: -inf for a maximum, the mean for a variance. */
static inline tern_vf tern_load_part_or(const float *p, int64_t n, float fill)
{
    return n >= TERN_LANES ? tern_load(p) : tern_load_lanes(p, n, tern_splat(fill));
}

static inline void tern_store_part(float *p, tern_vf v, int64_t n)
{
    if (n >= TERN_LANES)
        tern_store(p, v);
    else
        tern_store_lanes(p, v, n);
}

/* The same for a gradient, which may have to be added to what is there. */
static inline void tern_store_grad(float *p, tern_vf v, int64_t n, bool accumulate)
{
    tern_store_part(p, accumulate ? v + tern_load_part(p, n) : v, n);
}

/* mask ? a : b, lane by lane; mask comes from a vector comparison. */
static inline tern_vf tern_select(tern_vi mask, tern_vf a, tern_vf b)
{
    return (tern_vf)((mask & (tern_vi)a) | (~mask & (tern_vi)b));
}

static inline tern_vf tern_vmax(tern_vf a, tern_vf b)
{
    return tern_select(a > b, a, b);
}

/* Sum and maximum over the lanes, halving in a fixed order: lanes 0-7 with 8-15, 0-3
 * with 4-7, then the four that are left.  Quarters stay in registers. */
typedef float tern_quad __attribute__((vector_size(16)));
typedef int32_t tern_quad_mask __attribute__((vector_size(16)));

static inline tern_quad tern_quad_max(tern_quad a, tern_quad b)
{
    tern_quad_mask greater = a > b;
    return (tern_quad)((greater & (tern_quad_mask)a) | (~greater & (tern_quad_mask)b));
}

static inline float tern_hsum(tern_vf v)
{
    tern_quad quad[4];
    memcpy(quad, &v, sizeof v);
    if (TERN_LANES >= 16) {
        quad[0] += quad[2];
        quad[1] += quad[3];
    }
    if (TERN_LANES >= 8)
        quad[0] += quad[1];
    return (quad[0][0] + quad[0][2]) + (quad[0][1] + quad[0][3]);
}

static inline float tern_hmax(tern_vf v)
{
    tern_quad quad[4];
    memcpy(quad, &v, sizeof v);
    if (TERN_LANES >= 16) {
        quad[0] = tern_quad_max(quad[0], quad[2]);
        quad[1] = tern_quad_max(quad[1], quad[3]);
    }
    if (TERN_LANES >= 8)
        quad[0] = tern_quad_max(quad[0], quad[1]);
    float even = quad[0][0] > quad[0][2] ? quad[0][0] : quad[0][2];
    float odd = quad[0][1] > quad[0][3] ? quad[0][1] : quad[0][3];
    return even > odd ? even : odd;
}

#endif
