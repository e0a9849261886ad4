/* Dropout's random factors for SIMD vectors, 4 * TERN_LANES elements at a time: the
 * bits are those of core/rng.h, so every backend drops the same elements. */
#ifndef TERN_CORE_VRNG_H
#define TERN_CORE_VRNG_H

#include "core/rng.h"
#include "core/simd.h"
#include "core/transpose.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { TERN_RANDOM_GROUP = 4 * TERN_LANES };

typedef uint32_t tern_vu __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef uint64_t tern_vu64 __attribute__((vector_size(TERN_VECTOR_BYTES)));

/* 64-bit products of the low halves of each pair of lanes: one instruction, which gcc
 * does not find by itself, as it multiplies the zero upper halves too. */
static inline tern_vu64 tern_vmultiply_low(tern_vu64 a, uint32_t b)
{
#if defined(__AVX512F__)
    return (tern_vu64)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi32((int)b));
#elif defined(__AVX2__)
    return (tern_vu64)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi32((int)b));
#elif defined(__SSE2__)
    return (tern_vu64)_mm_mul_epu32((__m128i)a, _mm_set1_epi32((int)b));
#else
    return (a & 0xFFFFFFFFu) * (uint64_t)b;
#endif
}

/* Both halves of the products a * b of all lanes. */
static inline void tern_vmultiply_wide(tern_vu a, uint32_t b, tern_vu *high, tern_vu *low)
{
    const uint64_t low_half = 0xFFFFFFFFu;
    tern_vu64 even = tern_vmultiply_low((tern_vu64)a, b);
    tern_vu64 odd = tern_vmultiply_low((tern_vu64)a >> 32, b);
    *low = (tern_vu)((even & low_half) | odd << 32);
    *high = (tern_vu)(even >> 32 | (odd & ~low_half));
}

/* word[j][lane] = tern_random_bits of element 4 * (block + lane) + j. */
static inline void tern_vphilox(uint64_t seed, uint32_t step, uint32_t position, uint64_t block,
                                tern_vu word[4])
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    uint32_t low[TERN_LANES], high[TERN_LANES];
    for (int lane = 0; lane < TERN_LANES; lane++) {
        low[lane] = (uint32_t)(block + (uint64_t)lane);
        high[lane] = (uint32_t)((block + (uint64_t)lane) >> 32);
    }
    memcpy(&word[0], low, sizeof low);
    memcpy(&word[1], high, sizeof high);
    word[2] = position - (tern_vu){ 0 };
    word[3] = step - (tern_vu){ 0 };
    for (int round = 0; round < 10; round++) {
        tern_vu high0, low0, high2, low2;
        tern_vmultiply_wide(word[0], 0xD2511F53u, &high0, &low0);
        tern_vmultiply_wide(word[2], 0xCD9E8D57u, &high2, &low2);
        word[0] = high2 ^ word[1] ^ key0;
        word[1] = low2;
        word[2] = high0 ^ word[3] ^ key1;
        word[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* One call's dropout.  A uniform is k * 2^-24 for an integer k, so u >= p is
 * k >= threshold with threshold = ceil(p * 2^24). */
typedef struct tern_vdropout {
    uint64_t seed;
    uint32_t step, position;
    uint32_t threshold;
    float scale; /* of what is kept */
} tern_vdropout;

/* factor[e] = scale where element 4 * block + e is kept, else 0. */
static inline void tern_vdropout_draw(const tern_vdropout *dropout, uint64_t block,
                                      float factor[TERN_RANDOM_GROUP])
{
    tern_vu word[4];
    tern_vf kept[4], low[2], high[2];
    tern_vphilox(dropout->seed, dropout->step, dropout->position, block, word);
    for (int j = 0; j < 4; j++)
        kept[j] = tern_select((tern_vi)(word[j] >> 8 >= dropout->threshold),
                              tern_splat(dropout->scale), (tern_vf){ 0 });
    /* Each block's four elements side by side. */
    for (int j = 0; j < 2; j++) {
        low[j] = __builtin_shufflevector(kept[j], kept[j + 2], TERN_INTERLEAVE_LOW);
        high[j] = __builtin_shufflevector(kept[j], kept[j + 2], TERN_INTERLEAVE_HIGH);
    }
    tern_store(factor, __builtin_shufflevector(low[0], low[1], TERN_INTERLEAVE_LOW));
    factor += TERN_LANES;
    tern_store(factor, __builtin_shufflevector(low[0], low[1], TERN_INTERLEAVE_HIGH));
    factor += TERN_LANES;
    tern_store(factor, __builtin_shufflevector(high[0], high[1], TERN_INTERLEAVE_LOW));
    factor += TERN_LANES;
    tern_store(factor, __builtin_shufflevector(high[0], high[1], TERN_INTERLEAVE_HIGH));
}

#endif
