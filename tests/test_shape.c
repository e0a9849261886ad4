/* concat, slice and reshape: what is special to them beside the fixtures that all
 * ops share. */
#include "tests/check.h"

#include "kernels/shape/concat.h"
#include "kernels/shape/reshape.h"
#include "kernels/shape/slice.h"

#include <stdlib.h>
#include <string.h>

static const char *const devices[] = { "ref", "cpu" };
enum { DEVICES = 2 };

/* Values first, first + 1, ... */
static tern_tensor *counting(tern_ctx *ctx, int rank, const int64_t *shape, int first)
{
    int64_t count = 1;
    for (int axis = 0; axis < rank; axis++)
        count *= shape[axis];
    double *values = malloc((size_t)count * sizeof *values + 1);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)(first + i);
    tern_tensor *tensor = tern_input(ctx, "x", TERN_F64, rank, shape, values);
    free(values);
    return tern_require_grad(ctx, tensor);
}

static double *values_of(tern_ctx *ctx, const tern_tensor *tensor)
{
    double *values = malloc((size_t)tensor->count * sizeof *values + 1);
    assert_non_null(values);
    tern_read(ctx, tensor, TERN_F64, values);
    return values;
}

/* The gradient of each output element is its number, counted from 1. */
static void backward(tern_ctx *ctx, tern_tensor *y)
{
    double *seed = malloc((size_t)y->count * sizeof *seed + 1);
    assert_non_null(seed);
    for (int64_t i = 0; i < y->count; i++)
        seed[i] = (double)(i + 1);
    tern_seed_grad(ctx, y, TERN_F64, seed);
    tern_backward(ctx, NULL);
    assert_tern_ok(ctx);
    free(seed);
}

/* Rows of 21003 and 15009 elements: pieces that end within tiles on both sides. */
static void concat_and_slice_undo_each_other_across_tiles(void **state)
{
    (void)state;
    enum { ROWS = 3, LEFT = 7001, RIGHT = 5003, INNER = 3 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x[] = { counting(ctx, 3, (int64_t[]){ ROWS, LEFT, INNER }, 1),
                             counting(ctx, 3, (int64_t[]){ ROWS, RIGHT, INNER }, -300000) };
        tern_tensor *y = tern_concat(ctx, x, 2, (tern_concat_opts){ .axis = -2 });
        tern_tensor *right = tern_slice(ctx, y, (tern_slice_opts){ .axis = 1, .start = LEFT });
        double *got = values_of(ctx, right), *wanted = values_of(ctx, x[1]);
        assert_int_equal(right->count, x[1]->count);
        assert_memory_equal(got, wanted, (size_t)right->count * sizeof *got);
        backward(ctx, right);
        double *left_grad = values_of(ctx, x[0]->grad), *right_grad = values_of(ctx, x[1]->grad);
        for (int64_t i = 0; i < x[0]->count; i++)
            assert_true(left_grad[i] == 0);
        for (int64_t i = 0; i < x[1]->count; i++)
            assert_true(right_grad[i] == (double)(i + 1));
        free(got);
        free(wanted);
        free(left_grad);
        free(right_grad);
        tern_ctx_free(ctx);
    }
}

/* x is used three times; the gradients of the slices come on top of each other. */
static void overlapping_slices_add_up(void **state)
{
    (void)state;
    enum { ROWS = 5, LENGTH = 6007 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = counting(ctx, 2, (int64_t[]){ ROWS, LENGTH }, 0);
        tern_tensor *parts[] = {
            tern_slice(ctx, x, (tern_slice_opts){ .axis = 1, .length = 2 }),
            tern_slice(ctx, x, (tern_slice_opts){ .axis = 1, .start = 1 }),
            tern_slice(ctx, x, (tern_slice_opts){ .axis = 1, .start = -1 }),
        };
        tern_tensor *y = tern_concat(ctx, parts, 3, (tern_concat_opts){ .axis = 1 });
        assert_int_equal(y->shape[1], LENGTH + 2);
        backward(ctx, y);
        double *grad = values_of(ctx, x->grad);
        for (int64_t r = 0; r < ROWS; r++)
            for (int64_t i = 0; i < LENGTH; i++) {
                double first = (double)(r * (LENGTH + 2) + 1), wanted = 0;
                wanted += i < 2 ? first + (double)i : 0;
                wanted += i >= 1 ? first + (double)(1 + i) : 0;
                wanted += i == LENGTH - 1 ? first + LENGTH + 1 : 0;
                assert_true(grad[r * LENGTH + i] == wanted);
            }
        free(grad);
        tern_ctx_free(ctx);
    }
}

static void masks_and_indices_can_be_moved(void **state)
{
    (void)state;
    const uint8_t mask[] = { 1, 0, 1, 1, 0, 0 }, joined[] = { 1, 0, 1, 0, 1, 1, 0, 0, 0, 0 };
    const int32_t index[] = { 7, -8, 9, 10, 11, 12 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        uint8_t moved[10];
        int32_t piece[2];
        tern_tensor *m = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ 2, 3 }, mask);
        tern_tensor *x[] = { m, tern_slice(ctx, m, (tern_slice_opts){ .axis = 1, .start = 1 }) };
        tern_tensor *y = tern_concat(ctx, x, 2, (tern_concat_opts){ .axis = -1 });
        tern_read(ctx, tern_reshape(ctx, y, (tern_reshape_opts){ .shape = { -1 } }), TERN_U8, moved);
        assert_memory_equal(moved, joined, 10);
        tern_tensor *i = tern_input(ctx, "index", TERN_I32, 1, (int64_t[]){ 6 }, index);
        tern_read(ctx, tern_slice(ctx, i, (tern_slice_opts){ .start = 1, .length = 2 }), TERN_I32,
                  piece);
        assert_memory_equal(piece, index + 1, sizeof piece);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
    }
}

static void reshape_moves_nothing(void **state)
{
    (void)state;
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = counting(ctx, 2, (int64_t[]){ 4, 6 }, 0);
        tern_tensor *y = tern_reshape(ctx, x, (tern_reshape_opts){ .shape = { 0, 3, -1 } });
        assert_int_equal(y->rank, 3);
        assert_int_equal(y->shape[0], 4);
        assert_int_equal(y->shape[2], 2);
        assert_ptr_equal(y->data, x->data);
        backward(ctx, y);
        assert_ptr_equal(x->grad->data, y->grad->data);
        assert_int_equal(x->grad->rank, 2);
        tern_ctx_free(ctx);
    }
}

/* Two reshapes of one tensor: the second share must be added, not shared. */
static void two_reshapes_of_one_tensor_both_count(void **state)
{
    (void)state;
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = counting(ctx, 2, (int64_t[]){ 2, 3 }, 0);
        tern_tensor *both[] = { tern_reshape(ctx, x, (tern_reshape_opts){ .shape = { 6 } }),
                                tern_reshape(ctx, x, (tern_reshape_opts){ .shape = { -1 } }) };
        backward(ctx, tern_concat(ctx, both, 2, (tern_concat_opts){ 0 }));
        double *grad = values_of(ctx, x->grad);
        for (int i = 0; i < 6; i++)
            assert_true(grad[i] == (i + 1) + (i + 7));
        free(grad);
        tern_ctx_free(ctx);
    }
}

static void shapes_of_reshape(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t x[3];
        tern_reshape_opts opts;
        int rank_y; /* -1: an error */
        int64_t y[3];
    } cases[] = {
        { 2, { 1, 1 }, { { 0 } }, 0, { 0 } },
        { 2, { 2, 3 }, { { 0 } }, -1, { 0 } },
        { 2, { 0, 6 }, { { -1, 3, 2 } }, 3, { 0, 3, 2 } },
        { 2, { 0, 6 }, { { 0, 3, 2 } }, 3, { 0, 3, 2 } },
        { 2, { 2, 0 }, { { 0, -1 } }, 2, { 2, 0 } },
        { 2, { 2, 0 }, { { 0, 0, -1 } }, -1, { 0 } },
        { 2, { 0, 6 }, { { -1, -1 } }, -1, { 0 } },
        { 2, { 2, 6 }, { { 5, -1 } }, -1, { 0 } },
        { 2, { 2, 6 }, { { 2, 5 } }, -1, { 0 } },
        { 1, { 1 }, { { 1LL << 40, 1LL << 40 } }, -1, { 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_ctx *ctx = open_recording("cpu");
        tern_tensor *y = tern_reshape(ctx, counting(ctx, cases[i].rank, cases[i].x, 0),
                                      cases[i].opts);
        if (cases[i].rank_y < 0) {
            assert_tern_fails(ctx, TERN_ERR_SHAPE, "does not fit shape");
        } else {
            assert_tern_ok(ctx);
            assert_int_equal(y->rank, cases[i].rank_y);
            assert_memory_equal(y->shape, cases[i].y, (size_t)y->rank * sizeof y->shape[0]);
        }
        tern_ctx_free(ctx);
    }
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    static const struct {
        tern_slice_opts opts;
        const char *message;
    } cases[] = {
        { { .axis = 2 }, "axis 2 is not there in x [2,3]" },
        { { .axis = -3 }, "axis -3 is not there in x [2,3]" },
        { { .axis = 1, .start = 4 }, "start 4 and length 0 do not lie within axis 1 of x [2,3]" },
        { { .axis = 1, .start = 2, .length = 2 }, "start 2 and length 2 do not lie" },
        { { .axis = -1, .start = -4 }, "start -4 and length 0 do not lie within axis 1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_ctx *ctx = open_recording("cpu");
        tern_slice(ctx, counting(ctx, 2, (int64_t[]){ 2, 3 }, 0), cases[i].opts);
        assert_tern_fails(ctx, TERN_ERR_OPTION, cases[i].message);
        tern_ctx_free(ctx);
    }
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *x[] = { counting(ctx, 2, (int64_t[]){ 2, 3 }, 0),
                         counting(ctx, 2, (int64_t[]){ 2, 4 }, 0) };
    tern_concat(ctx, x, 2, (tern_concat_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "x number 1 [2,4] differs from the first [2,3]");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concat_and_slice_undo_each_other_across_tiles),
        cmocka_unit_test(overlapping_slices_add_up),
        cmocka_unit_test(masks_and_indices_can_be_moved),
        cmocka_unit_test(reshape_moves_nothing),
        cmocka_unit_test(two_reshapes_of_one_tensor_both_count),
        cmocka_unit_test(shapes_of_reshape),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
