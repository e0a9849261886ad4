/* Ceilings looked up, and the least time that follows from them. */
#include "bench/measure/ceilings.h"

#include <string.h>

static bool is_of(const bench_ceiling *ceiling, const bench_ceiling *wanted)
{
    if (ceiling->kind != wanted->kind)
        return false;
    return ceiling->kind == BENCH_CEILING_FMA
               ? !wanted->simd || strcmp(ceiling->simd, wanted->simd) == 0
               : ceiling->level == wanted->level;
}

/* The best of those asked for with as many threads; else as bench_fma_ceiling says. */
static double look_up(const bench_ceilings *c, const bench_ceiling *wanted)
{
    double exact = 0, each = 0;
    for (int i = 0; i < c->count; i++) {
        const bench_ceiling *ceiling = &c->ceiling[i];
        if (!is_of(ceiling, wanted))
            continue;
        if (ceiling->threads == wanted->threads && ceiling->per_second > exact)
            exact = ceiling->per_second;
        if (ceiling->per_second / ceiling->threads > each)
            each = ceiling->per_second / ceiling->threads;
    }
    return exact > 0 ? exact : each * wanted->threads;
}

double bench_fma_ceiling(const bench_ceilings *c, const char *simd, int threads)
{
    return look_up(c, &(bench_ceiling){ .kind = BENCH_CEILING_FMA, .simd = simd,
                                        .threads = threads });
}

double bench_bandwidth_ceiling(const bench_ceilings *c, bench_level level, int threads)
{
    bench_ceiling wanted = { .kind = BENCH_CEILING_READ, .level = level, .threads = threads };
    double read = look_up(c, &wanted);
    wanted.kind = BENCH_CEILING_COPY;
    double copy = look_up(c, &wanted);
    return read > copy ? read : copy;
}

bench_roof bench_roofline(const bench_ceilings *c, const bench_work *work)
{
    bench_roof roof = { .level = BENCH_L1, .binds = "fma" };
    double fma = bench_fma_ceiling(c, work->simd, work->threads);
    double inside = 0; /* bytes that the caches of inner levels hold */

    roof.fma_seconds = fma > 0 ? work->flops / fma : 0;
    for (int i = BENCH_L1; i < BENCH_LEVELS; i++) {
        bench_level level = (bench_level)i;
        double bandwidth = bench_bandwidth_ceiling(c, level, work->threads);
        double beyond = work->cold ? 1 : 0;
        if (!work->cold && work->working_set > inside)
            beyond = (work->working_set - inside) / work->working_set;
        if (bandwidth > 0 && beyond * work->bytes / bandwidth > roof.traffic_seconds) {
            roof.traffic_seconds = beyond * work->bytes / bandwidth;
            roof.level = level;
        }
        if (level != BENCH_MEMORY)
            inside += (double)bench_cache_bytes(&c->caches, level, work->threads);
    }
    roof.seconds = roof.fma_seconds;
    if (roof.traffic_seconds > roof.seconds) {
        roof.seconds = roof.traffic_seconds;
        roof.binds = bench_level_name(roof.level);
    }
    return roof;
}
