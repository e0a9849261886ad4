/* Promises of the plots' parts: labels lie on none, ticks are round, sweeps are found. */
#include "tests/bench_report.h"
#include "tests/check.h"

#include "bench/report/axis.h"
#include "bench/report/cairo.h"
#include "bench/report/labels.h"
#include "bench/report/sweep.h"

#include <math.h>
#include <string.h>

/* ----------------------------------------------------------------- labels -- */

enum { MOST = 120 };

static void labels_of_a_crowd_do_not_touch(void **state)
{
    (void)state;
    const bench_box frame = { 0, 0, 430, 310 };
    const bench_obstacles obstacles = { .lines = { { 0, 300, 300, 20 }, { 300, 20, 430, 20 } },
                                        .line_count = 2 };
    for (uint32_t seed = 0; seed < 20; seed++) {
        bench_label labels[MOST];
        tern_rng rng = tern_rng_make(seed, TERN_STREAM_TEST, 2);
        for (int i = 0; i < MOST; i++) /* most of them in one corner, as rows near a roof are */
            labels[i] = (bench_label){
                .x = 430 - 180 * pow(tern_rng_uniform(&rng), 2), .width = 14,
                .y = 15 + 90 * pow(tern_rng_uniform(&rng), 2), .height = 8,
            };
        bench_labels_place(labels, MOST, frame, 3.4, &obstacles);
        for (int i = 0; i < MOST; i++) {
            assert_true(labels[i].placed);
            assert_true(labels[i].box.left >= 0 && labels[i].box.right <= 430);
            assert_true(labels[i].box.top >= 0 && labels[i].box.bottom <= 310);
            for (int j = 0; j < i; j++)
                assert_false(bench_boxes_touch(labels[i].box, labels[j].box));
        }
    }
}

static void a_label_alone_is_beside_its_point_and_off_lines(void **state)
{
    (void)state;
    const bench_box frame = { 0, 0, 100, 100 };
    bench_obstacles none = { .line_count = 0 };
    bench_obstacles line = { .lines = { { 50, 50, 100, 50 } }, .line_count = 1 };
    bench_label label = { .x = 50, .y = 50, .width = 10, .height = 8 };
    bench_labels_place(&label, 1, frame, 3, &none);
    assert_true(label.box.left == 54 && label.box.top == 46);
    bench_labels_place(&label, 1, frame, 3, &line);
    assert_true(label.placed && (label.box.bottom < 50 || label.box.top > 50));
    label = (bench_label){ .x = 50, .y = 50, .width = 101, .height = 8 }; /* no room at all */
    bench_labels_place(&label, 1, frame, 3, &none);
    assert_false(label.placed);
}

/* ------------------------------------------------------------------- axes -- */

static void ticks_are_round_and_within_the_axis(void **state)
{
    (void)state;
    static const struct {
        double low, high;
        bool is_log;
        int count;
        double first, last;
    } cases[] = {
        { 0.3, 700, true, 10, 0.5, 500 },
        { 0.9, 11, true, 4, 1, 10 },
        { 0, 540, false, 6, 0, 500 },
        { -40.7, 34, false, 4, -40, 20 },
        { -0.06, 0.06, false, 7, -0.06, 0.06 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double ticks[BENCH_MOST_TICKS];
        bench_axis axis = { .low = cases[i].low, .high = cases[i].high, .to = 400,
                            .is_log = cases[i].is_log };
        int count = bench_axis_ticks(&axis, ticks);
        if (count != cases[i].count || fabs(ticks[0] - cases[i].first) > 1e-12 ||
            fabs(ticks[count - 1] - cases[i].last) > 1e-9)
            fail_msg("case %zu: %d ticks from %g to %g", i, count, ticks[0], ticks[count - 1]);
        for (int t = 0; t < count; t++)
            assert_false(ticks[t] == 0 && signbit(ticks[t]));
    }
}

static void places_are_between_the_ends(void **state)
{
    (void)state;
    const bench_axis line = { .low = 1, .high = 100, .from = 300, .to = 0, .is_log = true };
    assert_true(bench_axis_place(&line, 1) == 300 && bench_axis_place(&line, 100) == 0);
    assert_true(fabs(bench_axis_place(&line, 10) - 150) < 1e-9);
}

/* ----------------------------------------------------------------- sweeps -- */

typedef struct row_text {
    const char *op, *inputs, *options;
} row_text;

static int find(const row_text *texts, int count, bench_sweep_place *places, bench_sweep *sweeps)
{
    bench_recorded_row rows[32];
    const bench_recorded_row *list[32];
    for (int i = 0; i < count; i++) {
        rows[i] = (bench_recorded_row){ .op = texts[i].op, .inputs = texts[i].inputs,
                                        .options = texts[i].options, .device = "cpu",
                                        .dtype = "f32", .cache = "hot", .tags = "{}" };
        list[i] = &rows[i];
    }
    tern_error error = { 0 };
    return bench_sweeps_find(list, count, places, sweeps, &error);
}

static void sweeps_are_found_among_other_rows(void **state)
{
    (void)state;
    const row_text rows[] = {
        { "conv2d", "x=[1,32,32,64] w2=[64,3,3,64]", "pad=1,1" },
        { "matmul", "a=[64,64] b=[64,64]", "" },
        { "matmul", "a=[512,512] b=[512,512]", "" },
        { "matmul", "a=[128,128] b=[128,128]", "" },
        { "matmul", "a=[128,64] b=[64,128]", "" }, /* of none */
        { "conv2d", "x=[64,32,32,64] w2=[64,3,3,64]", "pad=1,1" }, /* 64 as others are, by chance */
        { "conv2d", "x=[8,32,32,64] w2=[64,3,3,64]", "pad=1,1" },
        { "conv2d", "x=[16,32,32,64] w2=[64,3,3,64]", "pad=1,1" },
        { "conv2d", "x=[8,32,32,64] w2=[64,3,3,64]", "pad=2,2" },
        { "linear", "x=[8,10] w=[20,10]", "" },
        { "linear", "x=[8,30] w=[60,30]", "" }, /* two sizes in proportion */
        { "linear", "x=[8,50] w=[100,50]", "" },
        { "linear", "x=[8,70] w=[70,70]", "" },
    };
    bench_sweep_place places[32];
    bench_sweep sweeps[BENCH_MOST_SWEEPS];
    assert_int_equal(find(rows, 13, places, sweeps), 3);
    assert_string_equal(sweeps[0].title, "conv2d x=[n,32,32,64] w2=[64,3,3,64] pad=1,1");
    assert_int_equal(sweeps[0].sizes, 4);
    assert_string_equal(sweeps[1].title, "matmul a=[n,n] b=[n,n]");
    assert_string_equal(sweeps[2].title, "linear x=[8,n] w=[2n,n]");
    static const int sweep[] = { 0, 1, 1, 1, -1, 0, 0, 0, -1, 2, 2, 2, -1 };
    for (int i = 0; i < 13; i++)
        if (places[i].sweep != sweep[i])
            fail_msg("row %d is of sweep %d", i, places[i].sweep);
    assert_true(places[2].size == 512 && places[5].size == 64);
}

static void rows_of_a_size_alike_are_one_size(void **state)
{
    (void)state;
    const row_text rows[] = { { "matmul", "a=[64,64]", "" }, { "matmul", "a=[64,64]", "" },
                              { "matmul", "a=[32,32]", "" } };
    bench_sweep_place places[32];
    bench_sweep sweeps[BENCH_MOST_SWEEPS];
    assert_int_equal(find(rows, 3, places, sweeps), 0); /* two sizes are no sweep */
}

/* ------------------------------------------------------------------ cairo -- */

static void a_cairo_that_is_not_there_is_named_with_its_package(void **state)
{
    (void)state;
    bench_cairo_functions functions;
    tern_error error = { 0 };
    assert_false(bench_cairo_load_from("libcairo-of-nobody.so.2", &functions, &error));
    assert_int_equal(error.code, TERN_ERR_MISSING);
    assert_non_null(strstr(error.message, "libcairo-of-nobody.so.2: cannot open shared object"));
    assert_non_null(strstr(error.message, "install libcairo2"));
    error = (tern_error){ 0 };
    assert_false(bench_cairo_load_from("libm.so.6", &functions, &error));
    assert_non_null(strstr(error.message, "libm.so.6 has no cairo_arc"));
    assert_true(bench_cairo_load(&(tern_error){ 0 }));
    assert_true(*bench_cairo.version_string());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cairo_that_is_not_there_is_named_with_its_package),
        cmocka_unit_test(labels_of_a_crowd_do_not_touch),
        cmocka_unit_test(a_label_alone_is_beside_its_point_and_off_lines),
        cmocka_unit_test(ticks_are_round_and_within_the_axis),
        cmocka_unit_test(places_are_between_the_ends),
        cmocka_unit_test(sweeps_are_found_among_other_rows),
        cmocka_unit_test(rows_of_a_size_alike_are_one_size),
    };
    return cmocka_run_group_tests_name("bench plot", tests, NULL, NULL);
}
