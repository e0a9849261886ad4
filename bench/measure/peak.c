/* The loop of peak_cpu.c on all threads at once. */
#include "bench/measure/peak.h"

#include <stddef.h>

#include "bench/measure/machine.h"
#include "bench/measure/together.h"

float bench_fma_loop_avx2(int passes);
float bench_fma_loop_avx512(int passes);
double bench_fma_flops_avx2(void);
double bench_fma_flops_avx512(void);

typedef struct peak_level {
    const char *name;
    float (*loop)(int passes);
    double (*flops)(void);
} peak_level;

static const peak_level levels[] = {
    { "base", bench_fma_loop_base, bench_fma_flops_base },
    { "avx2", bench_fma_loop_avx2, bench_fma_flops_avx2 },
    { "avx512", bench_fma_loop_avx512, bench_fma_flops_avx512 },
};

enum { PASSES = 60 };

typedef struct peak_job {
    const peak_level *level;
    volatile float sink[64];
} peak_job;

static void peak_tile(void *argument, int64_t tile, int worker)
{
    peak_job *job = argument;
    (void)tile;
    job->sink[worker % 64] = job->level->loop(PASSES);
}

double bench_fma_peak(tern_pool *pool, const char *level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, level) == 0) {
            peak_job job = { .level = &levels[i] };
            int threads = tern_pool_threads(pool);
            double start = bench_seconds();
            bench_on_every_thread(pool, peak_tile, &job);
            return levels[i].flops() * PASSES * threads / (bench_seconds() - start);
        }
    return 0;
}
