/* A loop of multiply-adds that depend on nothing but themselves. */
#include "bench/measure/peak.h"

/* A multiply-add takes 4 cycles and two can start in each: 8 chains keep them busy.  12
 * leave some slack and fit the 16 registers below AVX-512. */
enum { CHAINS = 12, ROUNDS = 20000 };

/* The loop over passes is there because gcc makes registers of an array only in a loop
 * inside of a loop. */
float TERN_LEVEL(bench_fma_loop)(int passes)
{
    tern_vf total = { 0 }, factor = tern_splat(0.9999f), summand = tern_splat(1e-5f);

    for (int pass = 0; pass < passes; pass++) {
        tern_vf chain[CHAINS];
        /* So that the compiler cannot compute the result beforehand. */
        __asm__ volatile("" : "+x"(factor), "+x"(summand));
        for (int i = 0; i < CHAINS; i++)
            chain[i] = tern_splat((float)i);
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < CHAINS; i++)
                chain[i] = chain[i] * factor + summand;
        for (int i = 0; i < CHAINS; i++)
            total += chain[i];
    }
    return tern_hsum(total);
}

double TERN_LEVEL(bench_fma_flops)(void)
{
    return 2.0 * CHAINS * TERN_LANES * ROUNDS;
}
