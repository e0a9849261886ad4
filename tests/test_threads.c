/* The thread pool keeps its promises: every tile once, also after sleeping, with
 * more threads than cores, and with thousands of tiny loops in a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/threads.h"

enum { MOST_TILES = 150000 }; /* more than a share can count */

typedef struct tally {
    _Atomic int times[MOST_TILES];
    _Atomic int workers_out_of_range;
    int threads;
} tally;

static tally shared;

static void count_tile(void *argument, int64_t tile, int worker)
{
    tally *t = argument;
    t->times[tile]++;
    if (worker < 0 || worker >= t->threads)
        t->workers_out_of_range++;
}

static void expect_each_tile_once(tern_pool *pool, int64_t tiles)
{
    memset(&shared, 0, sizeof shared);
    shared.threads = tern_pool_threads(pool);
    tern_parallel(pool, tiles, count_tile, &shared);
    for (int64_t tile = 0; tile < MOST_TILES; tile++)
        assert_int_equal(shared.times[tile], tile < tiles);
    assert_int_equal(shared.workers_out_of_range, 0);
}

static void every_tile_runs_once(void **state)
{
    const int64_t sizes[] = { 0, 1, 2, 3, 7, 31, 1000, 65535, 65536, MOST_TILES };
    (void)state;
    for (int threads = 1; threads <= 7; threads += 2) {
        tern_error error = { 0 };
        tern_pool *pool = tern_pool_new(threads, &error);
        assert_non_null(pool);
        assert_int_equal(tern_pool_threads(pool), threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            expect_each_tile_once(pool, sizes[i]);
        tern_pool_free(pool);
    }
}

static void workers_wake_up_after_sleeping(void **state)
{
    tern_error error = { 0 };
    tern_pool *pool = tern_pool_new(3, &error);
    (void)state;
    for (int i = 0; i < 5; i++) {
        /* Far longer than workers spin. */
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
        expect_each_tile_once(pool, 100);
    }
    tern_pool_free(pool);
}

/* Loops so short that workers are late for most of them: none may run a tile of
 * one loop with the function or argument of another. */
typedef struct stamped {
    uint32_t loop;
    _Atomic uint32_t sum;
} stamped;

static void add_stamp(void *argument, int64_t tile, int worker)
{
    stamped *s = argument;
    (void)worker;
    s->sum += s->loop * 8 + (uint32_t)tile;
}

static void late_workers_never_touch_another_loop(void **state)
{
    tern_error error = { 0 };
    tern_pool *pool = tern_pool_new(4, &error);
    stamped two[2] = { 0 };
    (void)state;
    for (uint32_t loop = 0; loop < 20000; loop++) {
        stamped *s = &two[loop % 2];
        uint32_t tiles = 2 + loop % 4;
        s->loop = loop;
        s->sum = 0;
        tern_parallel(pool, tiles, add_stamp, s);
        assert_int_equal(s->sum, tiles * loop * 8 + tiles * (tiles - 1) / 2);
    }
    tern_pool_free(pool);
}

/* A tile waits until every thread has one, so each thread's first is the one that it wants. */
typedef struct meeting {
    int threads, tiles;
    _Atomic int arrived, wrong;
} meeting;

static void meet(void *argument, int64_t tile, int worker)
{
    meeting *m = argument;
    if (m->arrived >= m->threads)
        return;
    m->wrong += tile != worker * m->tiles / m->threads;
    m->arrived++;
    while (m->arrived < m->threads)
        sched_yield();
}

static void each_thread_begins_with_its_own_neighbours(void **state)
{
    tern_error error = { 0 };
    tern_pool *pool = tern_pool_new(4, &error);
    (void)state;
    for (int tiles = 4; tiles < 12; tiles++) {
        meeting m = { .threads = 4, .tiles = tiles };
        tern_parallel(pool, tiles, meet, &m);
        assert_int_equal(m.arrived, 4);
        assert_int_equal(m.wrong, 0);
    }
    tern_pool_free(pool);
}

static void one_thread_or_one_tile_runs_in_the_caller(void **state)
{
    tern_error error = { 0 };
    tern_pool *one = tern_pool_new(1, &error), *four = tern_pool_new(4, &error);
    (void)state;
    expect_each_tile_once(one, 50);
    expect_each_tile_once(four, 1);
    expect_each_tile_once(NULL, 50);
    tern_pool_free(one);
    tern_pool_free(four);
    tern_pool_free(NULL);
}

static void zero_threads_means_one_per_core(void **state)
{
    tern_error error = { 0 };
    tern_pool *pool = tern_pool_new(0, &error);
    (void)state;
    assert_non_null(pool);
    assert_true(tern_pool_threads(pool) >= 1);
    tern_pool_free(pool);
}

static void impossible_thread_counts_are_refused(void **state)
{
    const int impossible[] = { -1, 100000 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        tern_error error = { 0 };
        assert_null(tern_pool_new(impossible[i], &error));
        assert_int_equal(error.code, TERN_ERR_OPTION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_runs_once),
        cmocka_unit_test(workers_wake_up_after_sleeping),
        cmocka_unit_test(late_workers_never_touch_another_loop),
        cmocka_unit_test(each_thread_begins_with_its_own_neighbours),
        cmocka_unit_test(one_thread_or_one_tile_runs_in_the_caller),
        cmocka_unit_test(zero_threads_means_one_per_core),
        cmocka_unit_test(impossible_thread_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
