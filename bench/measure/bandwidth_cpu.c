/* Loops that load and store and do nothing else.
 *
 * Sixteen vectors a round: the loop's own instructions vanish beside them, and the rounds of
 * one pass are few enough for the branch predictor to foresee the last. */
#include "bench/measure/bandwidth.h"

#include <immintrin.h>

enum { VECTORS = 16, ROUND = VECTORS * TERN_LANES };

void TERN_LEVEL(bench_read_loop)(const float *data, size_t bytes, int passes)
{
    size_t floats = bytes / sizeof(float);
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < floats; i += ROUND)
            for (int k = 0; k < VECTORS; k++) {
                tern_vf value = tern_load(data + i + k * TERN_LANES);
                /* Something has to want the value, or there would be no load. */
                __asm__ volatile("" : : "x"(value));
            }
}

void TERN_LEVEL(bench_copy_loop)(float *to, const float *from, size_t bytes, int passes)
{
    size_t floats = bytes / sizeof(float);
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < floats; i += ROUND)
            for (int k = 0; k < VECTORS; k++) {
                tern_vf value = tern_load(from + i + k * TERN_LANES);
                /* Keeps the compiler from calling memcpy, whose loop is another one. */
                __asm__ volatile("" : "+x"(value));
                tern_store(to + i + k * TERN_LANES, value);
            }
}

/* There is no vector extension of C for a store that goes past the caches. */
static inline void store_past_caches(float *to, tern_vf value)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(to, value);
#elif defined(__AVX__)
    _mm256_stream_ps(to, value);
#else
    _mm_stream_ps(to, value);
#endif
}

void TERN_LEVEL(bench_stream_loop)(float *to, const float *from, size_t bytes, int passes)
{
    size_t floats = bytes / sizeof(float);
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < floats; i += ROUND)
            for (int k = 0; k < VECTORS; k++)
                store_past_caches(to + i + k * TERN_LANES, tern_load(from + i + k * TERN_LANES));
    /* The last lines leave the core's buffers before the clock is read. */
    _mm_sfence();
}
