/* A cold measurement reads from memory: told by the time that reading takes. */
#include "tests/check.h"

#include <string.h>

#include "bench/measure/evict.h"
#include "bench/measure/machine.h"
#include "bench/measure/region.h"

/* Less than an L2, so that it is hot as long as nobody removes it.  The least of many times
 * is compared with the least of many, whatever else runs. */
enum { BYTES = 256 << 10, TRIES = 60 };

typedef struct fixture {
    tern_pool *pool;
    bench_evictor *evictor;
    bench_region region;
} fixture;

/* One thread, where more do not matter: it waits for nobody, in which time a neighbour would
 * fill its core's caches with other data. */
static fixture open_fixture(int threads)
{
    fixture f = { 0 };
    tern_error error = { .code = TERN_OK };
    f.pool = tern_pool_new(threads, &error);
    f.evictor = f.pool ? bench_evictor_new(f.pool, &error) : NULL;
    if (!f.evictor || !bench_region_open(&f.region, BYTES, &error))
        fail_msg("%s", error.message);
    memset(f.region.data, 1, BYTES);
    return f;
}

static void close_fixture(fixture *f)
{
    bench_region_close(&f->region);
    bench_evictor_free(f->evictor);
    tern_pool_free(f->pool);
}

static double seconds_to_read(const bench_region *region)
{
    const volatile uint64_t *words = region->data;
    double start = bench_seconds();
    for (size_t i = 0; i < BYTES / sizeof *words; i += 8)
        (void)words[i];
    return bench_seconds() - start;
}

typedef enum eviction { NOTHING, THE_BUFFER, ANOTHER_BUFFER, ALL_BY_SWEEPING } eviction;

static double least_seconds(fixture *f, eviction how, int tries)
{
    static char other[4096];
    double least = 1;
    seconds_to_read(&f->region);
    for (int i = 0; i < tries; i++) {
        if (how == THE_BUFFER)
            bench_evict(f->evictor, (bench_buffer[]){ { NULL, 8 }, { f->region.data, BYTES } }, 2);
        else if (how == ANOTHER_BUFFER)
            bench_evict(f->evictor, &(bench_buffer){ other, sizeof other }, 1);
        else if (how == ALL_BY_SWEEPING)
            bench_sweep(f->evictor);
        double seconds = seconds_to_read(&f->region);
        least = seconds < least ? seconds : least;
    }
    return least;
}

static void what_was_evicted_is_read_from_memory(void **state)
{
    fixture f = open_fixture(1);
    (void)state;
    double hot = least_seconds(&f, NOTHING, TRIES), cold = least_seconds(&f, THE_BUFFER, TRIES);
    bool evicts_all = bench_evicts_all(f.evictor);
    close_fixture(&f);
    if (!evicts_all) {
        print_message("no instruction flushes, and the L3 is greater than what is swept\n");
        skip();
    }
    if (cold < 2 * hot)
        fail_msg("%.2f us hot, %.2f us cold", hot * 1e6, cold * 1e6);
}

static void what_was_not_named_stays(void **state)
{
    fixture f = open_fixture(1);
    (void)state;
    double other = least_seconds(&f, ANOTHER_BUFFER, TRIES);
    double cold = least_seconds(&f, THE_BUFFER, TRIES);
    close_fixture(&f);
    if (!bench_can_flush()) {
        print_message("no instruction flushes: everything is swept out\n");
        skip();
    }
    if (cold < 2 * other)
        fail_msg("%.2f us after another was flushed, %.2f us cold", other * 1e6, cold * 1e6);
}

/* At least the cores' own caches hold nothing of it any more. */
static void a_sweep_takes_everything_out_of_the_cores(void **state)
{
    enum { SWEEPS = 5 };
    fixture f = open_fixture(2);
    (void)state;
    double hot = least_seconds(&f, NOTHING, TRIES);
    double cold = least_seconds(&f, ALL_BY_SWEEPING, SWEEPS);
    close_fixture(&f);
    if (cold < 1.3 * hot)
        fail_msg("%.2f us hot, %.2f us after a sweep", hot * 1e6, cold * 1e6);
}

static void flushing_changes_no_byte(void **state)
{
    fixture f = open_fixture(2);
    unsigned char *bytes = f.region.data;
    (void)state;
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (unsigned char)(i * 7);
    bench_evict(f.evictor, &(bench_buffer){ bytes + 3, BYTES - 5 }, 1);
    bench_sweep(f.evictor);
    for (int i = 0; i < BYTES; i++)
        assert_int_equal(bytes[i], (unsigned char)(i * 7));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_evicted_is_read_from_memory),
        cmocka_unit_test(what_was_not_named_stays),
        cmocka_unit_test(a_sweep_takes_everything_out_of_the_cores),
        cmocka_unit_test(flushing_changes_no_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
