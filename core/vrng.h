/* core/rng.h's Philox for SIMD vectors: the same bits, 4 * TERN_LANES at a time. */
#ifndef TERN_CORE_VRNG_H
#define TERN_CORE_VRNG_H

#include "core/rng.h"
#include "core/simd.h"

enum { TERN_RANDOM_GROUP = 4 * TERN_LANES };

typedef uint32_t tern_vu __attribute__((vector_size(TERN_VECTOR_BYTES)));
typedef uint64_t tern_vu64 __attribute__((vector_size(TERN_VECTOR_BYTES)));

/* Both halves of the 64-bit products, lane by lane: those of even and of odd lanes
 * are formed apart, each in the 64 bits of a pair of lanes. */
static inline void tern_vmultiply_wide(tern_vu a, uint32_t b, tern_vu *high, tern_vu *low)
{
    tern_vu64 pair = (tern_vu64)a;
    tern_vu64 even = (pair & 0xFFFFFFFFu) * (uint64_t)b, odd = (pair >> 32) * (uint64_t)b;
    *low = a * b;
    *high = (tern_vu)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
}

/* bits[e] = tern_random_bits(seed, step, position, 4 * block + e), 0 <= e < TERN_RANDOM_GROUP. */
static inline void tern_vrandom_bits(uint64_t seed, uint32_t step, uint32_t position,
                                     uint64_t block, uint32_t bits[TERN_RANDOM_GROUP])
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    uint32_t low[TERN_LANES], high[TERN_LANES];
    tern_vu word[4];
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
    for (int lane = 0; lane < TERN_LANES; lane++)
        for (int j = 0; j < 4; j++)
            bits[4 * lane + j] = word[j][lane];
}

#endif
