/* Promises of the ceilings and the rooflines that follow from them: the arithmetic on made-up
 * figures, the order of the measured ones, and no plain loop above them. */
#include "tests/check.h"

#include <string.h>

#include "bench/measure/bandwidth.h"
#include "bench/measure/ceilings.h"
#include "bench/measure/machine.h"
#include "bench/measure/region.h"

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static void assert_near(double value, double wanted)
{
    if (!(value > 0.999999 * wanted && value < 1.000001 * wanted))
        fail_msg("%g, not %g", value, wanted);
}

/* 1000 bytes of L1, 10,000 of L2, 100,000 of an L3 that all cores share. */
static bench_ceilings made_up(void)
{
    static const double copy[BENCH_LEVELS] = { 1000, 500, 100, 10 };
    bench_ceilings c = { .caches = { .level = { { 1000, 1 }, { 10000, 1 }, { 100000, 1 << 20 } },
                                     .line_bytes = 64 } };
    c.ceiling[c.count++] = (bench_ceiling){ BENCH_CEILING_FMA, 1, "avx512", 0, 0, 2000, 0 };
    c.ceiling[c.count++] = (bench_ceiling){ BENCH_CEILING_FMA, 1, "base", 0, 0, 500, 0 };
    for (int level = 0; level < BENCH_LEVELS; level++) {
        c.ceiling[c.count++] = (bench_ceiling){ BENCH_CEILING_READ, 1, NULL, (bench_level)level,
                                                500, copy[level] / 2, 0 };
        c.ceiling[c.count++] = (bench_ceiling){ BENCH_CEILING_COPY, 1, NULL, (bench_level)level,
                                                500, copy[level], 0 };
    }
    return c;
}

static void arithmetic_binds_where_it_takes_longer(void **state)
{
    bench_ceilings c = made_up();
    bench_roof roof = bench_roofline(&c, &(bench_work){ .simd = "avx512", .threads = 1,
                                                        .flops = 4000, .bytes = 900,
                                                        .working_set = 900 });
    (void)state;
    assert_string_equal(roof.binds, "fma");
    assert_true(roof.seconds == 2 && roof.fma_seconds == 2);
    assert_true(roof.traffic_seconds == 0.9 && roof.level == BENCH_L1);
    roof = bench_roofline(&c, &(bench_work){ .simd = "base", .threads = 1, .flops = 4000 });
    assert_true(roof.seconds == 8);
    roof = bench_roofline(&c, &(bench_work){ .threads = 1, .flops = 4000 });
    assert_true(roof.seconds == 2); /* the widest */
}

static void what_no_inner_cache_holds_comes_from_farther_out(void **state)
{
    bench_ceilings c = made_up();
    bench_work work = { .threads = 1, .bytes = 4000, .working_set = 4000 };
    (void)state;
    /* 3000 of 4000 bytes from L2 at 500 take 6; all of them through L1 take 4. */
    bench_roof roof = bench_roofline(&c, &work);
    assert_string_equal(roof.binds, "L2");
    assert_near(roof.seconds, 6);
    assert_int_equal(roof.level, BENCH_L2);

    /* Each byte twice: twice the time, from where it was. */
    work.bytes = 8000;
    assert_near(bench_roofline(&c, &work).seconds, 12);

    work.working_set = work.bytes = 111000 + 50000;
    roof = bench_roofline(&c, &work);
    assert_near(roof.seconds, 5000);
    assert_int_equal(roof.level, BENCH_MEMORY);
}

static void a_cold_call_fetches_all_from_memory(void **state)
{
    bench_ceilings c = made_up();
    bench_roof roof = bench_roofline(&c, &(bench_work){ .threads = 1, .flops = 2000, .bytes = 500,
                                                        .working_set = 500, .cold = true });
    (void)state;
    assert_string_equal(roof.binds, "memory");
    assert_true(roof.seconds == 50 && roof.fma_seconds == 1);
}

static void threads_that_were_not_measured_count_as_so_many_single_ones(void **state)
{
    bench_ceilings c = made_up(), none = { .count = 0 };
    bench_work work = { .threads = 4, .flops = 16000 };
    (void)state;
    assert_true(bench_fma_ceiling(&c, "base", 4) == 2000);
    assert_true(bench_bandwidth_ceiling(&c, BENCH_MEMORY, 3) == 30);
    assert_true(bench_roofline(&c, &work).seconds == 2);
    assert_true(bench_fma_ceiling(&none, NULL, 1) == 0);
    assert_true(bench_roofline(&none, &work).seconds == 0);
}

static void a_working_set_lies_in_the_first_cache_that_holds_it(void **state)
{
    bench_caches caches = made_up().caches;
    (void)state;
    assert_int_equal(bench_level_of(&caches, 1000, 1), BENCH_L1);
    assert_int_equal(bench_level_of(&caches, 1001, 1), BENCH_L2);
    assert_int_equal(bench_level_of(&caches, 100000, 1), BENCH_L3);
    assert_int_equal(bench_level_of(&caches, 100001, 1), BENCH_MEMORY);
    /* The shared one by parts. */
    assert_int_equal(bench_level_of(&caches, 50001, 2), BENCH_MEMORY);
    caches.level[BENCH_L3].bytes = 0;
    assert_int_equal(bench_level_of(&caches, 50000, 1), BENCH_MEMORY);
}

static void measured_ceilings_are_ordered_and_stay(void **state)
{
    bench_ceilings c;
    tern_error error = { .code = TERN_OK };
    const int threads[] = { 1, 2 };
    (void)state;
    assert_false(bench_ceilings_open(&c, threads, 0, &error));
    error = (tern_error){ .code = TERN_OK };
    assert_true(bench_ceilings_open(&c, threads, 2, &error));
    bench_ceilings_measure(&c, 0.1);
    bench_ceilings before = c;
    bench_ceilings_measure(&c, 0);
    bench_ceilings_close(&c);
    for (int i = 0; i < c.count; i++) {
        const bench_ceiling *ceiling = &c.ceiling[i];
        assert_true(ceiling->per_second > 1e8 && ceiling->per_second < 1e15);
        assert_true(ceiling->per_second >= before.ceiling[i].per_second);
        if (ceiling->kind != BENCH_CEILING_FMA && ceiling->level != BENCH_MEMORY)
            assert_int_equal(bench_level_of(&c.caches, ceiling->bytes, ceiling->threads),
                             ceiling->level);
    }
    if (SANITIZED)
        skip(); /* each load is checked, so the caches make no difference */
    /* Of one thread alone: two do not meet often enough on a busy machine. */
    assert_true(bench_bandwidth_ceiling(&c, BENCH_L1, 1) >
                1.5 * bench_bandwidth_ceiling(&c, BENCH_MEMORY, 1));
}

/* The C library's copy within as many bytes, best of many tries of about 50 us. */
static double memcpy_rate(char *data, size_t bytes)
{
    enum { TRIES = 2000, PASSES = 8 };
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
        double start = bench_seconds();
        for (int pass = 0; pass < PASSES; pass++) {
            memcpy(data + bytes / 2, data, bytes / 2);
            __asm__ volatile("" : : "r"(data) : "memory");
        }
        double rate = PASSES * (double)bytes / (bench_seconds() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

/* A neighbour may leave between the ceiling and the copy, or come: then both once more.  A loop
 * that is too slow for a ceiling is so every time. */
static double part_of_ceiling(bench_ceilings *c, const bench_ceiling *ceiling, char *data)
{
    enum { ATTEMPTS = 20 };
    double part = 0;
    for (int i = 0; i < ATTEMPTS && (part < 0.1 || part > 1.25); i++) {
        bench_ceilings_measure(c, i ? 0.1 : 0.3);
        part = memcpy_rate(data, ceiling->bytes) / ceiling->per_second;
    }
    return part;
}

static void no_plain_copy_is_faster_than_the_ceiling(void **state)
{
    bench_ceilings c;
    bench_region region;
    tern_error error = { .code = TERN_OK };
    (void)state;
    if (SANITIZED)
        skip();
    assert_true(bench_ceilings_open(&c, (int[]){ 1 }, 1, &error));
    assert_true(bench_region_open(&region, 4 << 20, &error));
    memset(region.data, 1, region.bytes);
    for (int i = 0; i < c.count; i++)
        if (c.ceiling[i].kind == BENCH_CEILING_COPY && c.ceiling[i].bytes <= region.bytes) {
            double part = part_of_ceiling(&c, &c.ceiling[i], region.data);
            if (part < 0.1 || part > 1.25)
                fail_msg("%s: memcpy reaches %.2f of the ceiling",
                         bench_level_name(c.ceiling[i].level), part);
        }
    bench_region_close(&region);
    bench_ceilings_close(&c);
}

static void an_unknown_level_measures_nothing(void **state)
{
    tern_error error = { .code = TERN_OK };
    tern_pool *pool = tern_pool_new(1, &error);
    bench_bandwidth *bandwidth = bench_bandwidth_new(pool, &error);
    (void)state;
    assert_non_null(bandwidth);
    assert_true(bench_bandwidth_measure(bandwidth, BENCH_READ, BENCH_L1, "mmx") == 0);
    assert_true(bench_bandwidth_measure(bandwidth, BENCH_READ, BENCH_L1, "base") > 0);
    bench_bandwidth_free(bandwidth);
    tern_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_binds_where_it_takes_longer),
        cmocka_unit_test(what_no_inner_cache_holds_comes_from_farther_out),
        cmocka_unit_test(a_cold_call_fetches_all_from_memory),
        cmocka_unit_test(threads_that_were_not_measured_count_as_so_many_single_ones),
        cmocka_unit_test(a_working_set_lies_in_the_first_cache_that_holds_it),
        cmocka_unit_test(measured_ceilings_are_ordered_and_stay),
        cmocka_unit_test(no_plain_copy_is_faster_than_the_ceiling),
        cmocka_unit_test(an_unknown_level_measures_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
