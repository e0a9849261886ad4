/* Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * Counter based: the numbers of element e at tape position p of step s depend
 * only on (seed, s, p, e), never on order or thread count, so every backend
 * draws the same dropout mask and a resumed run continues exactly.
 *
 *   key     = seed (64 bits)
 *   counter = { e / 4 low, e / 4 high, position, step };  word e % 4 is used
 *
 * Plain C that nvcc compiles too.
 */
#ifndef TERN_CORE_RNG_H
#define TERN_CORE_RNG_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define TERN_HD __host__ __device__
#else
#define TERN_HD
#endif

/* Positions at and above this are not tape positions: initialisation, shuffling,
 * augmentation and synthesis draw from streams of their own. */
#define TERN_STREAM_INIT 0x80000000u
#define TERN_STREAM_SHUFFLE 0x90000000u
#define TERN_STREAM_AUGMENT 0xA0000000u
#define TERN_STREAM_SYNTH 0xB0000000u
#define TERN_STREAM_BOOTSTRAP 0xC0000000u
#define TERN_STREAM_TEST 0xF0000000u

TERN_HD static inline void tern_philox(uint64_t seed, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The 32 random bits of one element. */
TERN_HD static inline uint32_t tern_random_bits(uint64_t seed, uint32_t step, uint32_t position,
                                                uint64_t element)
{
    uint64_t block = element / 4;
    uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), position, step };
    uint32_t word[4];
    tern_philox(seed, counter, word);
    return word[element % 4];
}

/* Uniform in [0,1) with 24 bits: exact in float32, so all backends agree. */
TERN_HD static inline float tern_uniform(uint32_t bits)
{
    return (float)(bits >> 8) * 0x1p-24f;
}

/* A sequential generator on one stream, for host code that draws a varying
 * number of values: data synthesis, shuffling, initialisation. */
typedef struct tern_rng {
    uint64_t seed;
    uint32_t step, position;
    uint64_t next; /* element to draw next */
} tern_rng;

static inline tern_rng tern_rng_make(uint64_t seed, uint32_t stream, uint32_t step)
{
    tern_rng rng = { seed, step, stream, 0 };
    return rng;
}

static inline uint32_t tern_rng_bits(tern_rng *rng)
{
    return tern_random_bits(rng->seed, rng->step, rng->position, rng->next++);
}

/* Uniform in [0,1), 53 bits. */
static inline double tern_rng_uniform(tern_rng *rng)
{
    uint64_t high = tern_rng_bits(rng) >> 5, low = tern_rng_bits(rng) >> 6;
    return (double)(high * 67108864u + low) * 0x1p-53;
}

/* Uniform integer in [0,n), n >= 1, without modulo bias (Lemire's method). */
static inline uint32_t tern_rng_below(tern_rng *rng, uint32_t n)
{
    uint64_t product = (uint64_t)tern_rng_bits(rng) * n;
    uint32_t threshold = (uint32_t)(-n) % n;
    while ((uint32_t)product < threshold)
        product = (uint64_t)tern_rng_bits(rng) * n;
    return (uint32_t)(product >> 32);
}

/* Standard normal (Box-Muller, one value per two uniforms). */
static inline double tern_rng_normal(tern_rng *rng)
{
    double radius = sqrt(-2.0 * log(1.0 - tern_rng_uniform(rng)));
    return radius * cos(6.283185307179586476925 * tern_rng_uniform(rng));
}

#endif
