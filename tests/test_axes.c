/* transpose, stack, split, gather, pad, repeat and flip: what is special to them beside
 * what the tests of all ops see, which is many tiles, other element types, and messages. */
#include "tests/check.h"

#include "kernels/shape/concat.h"
#include "kernels/shape/flip.h"
#include "kernels/shape/gather.h"
#include "kernels/shape/pad.h"
#include "kernels/shape/repeat.h"
#include "kernels/shape/split.h"
#include "kernels/shape/stack.h"
#include "kernels/shape/transpose.h"
#include "tests/against_ref.h"

#include <stdlib.h>
#include <string.h>

static const char *const devices[] = { "ref", "cpu" };
enum { DEVICES = 2 };

/* Values 1, 2, ... */
static tern_tensor *counting(tern_ctx *ctx, int rank, const int64_t *shape)
{
    int64_t count = 1;
    for (int axis = 0; axis < rank; axis++)
        count *= shape[axis];
    double *values = malloc((size_t)count * sizeof *values + 1);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)(i + 1);
    tern_tensor *tensor = tern_input(ctx, "x", TERN_F64, rank, shape, values);
    free(values);
    return tern_require_grad(ctx, tensor);
}

static void assert_values(tern_ctx *ctx, const tern_tensor *tensor, int64_t count,
                          const double *wanted)
{
    double *values = malloc((size_t)tensor->count * sizeof *values + 1);
    assert_non_null(values);
    assert_tern_ok(ctx);
    assert_int_equal(tensor->count, count);
    tern_read(ctx, tensor, TERN_F64, values);
    for (int64_t i = 0; i < count; i++)
        if (values[i] != wanted[i])
            fail_msg("element %d is %g, %g wanted", (int)i, values[i], wanted[i]);
    free(values);
}

/* The gradient of y's elements is 1, 2, ... */
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

/* ------------------------------------------------------- many tiles on cpu -- */

/* Larger than a block or a tile in each of the ways that the kernels distinguish. */
static void many_tiles_give_what_ref_gives(void **state)
{
    static const char *const large[][3] = {
        { "transpose", "x=[83,541]", "" },
        { "transpose", "x=[2,67,3,41]", "axes=2,1,3,0" },
        { "transpose", "x=[3,67,2,67]", "axes=2,0,1,3" },
        { "transpose", "x=[1201,3,5]", "axes=0,2,1" },
        { "gather", "x=[211,3] index=[1501,3]{0..210}", "" },
        { "gather", "x=[37,97] index=[31,151]{0..96}", "axis=1" },
        { "gather", "x=[5,131,7] index=[3,311,6]{0..130}", "axis=1" },
        { "flip", "x=[11,23,71]", "reverse=1,0,1" },
        { "flip", "x=[5,31,3,37]", "reverse=0,1,1" },
        { "flip", "x=[41,29,17]", "reverse=0,1" },
        { "pad", "x=[5,23,31,3]", "before=0,5,9 after=0,22,3 mode=reflect" },
        { "pad", "x=[7,31,83]", "before=2,11 after=0,5 mode=replicate" },
        { "pad", "x=[2,7001]", "before=1,7 after=2,3 value=4" },
        { "repeat", "x=[3,1,101]", "times=2,31,1" },
        { "repeat", "x=[17,31]", "times=3,5,5" },
        { "repeat", "x=[97,1,2]", "times=1,43,3" },
        { "stack", "x=[3,6007] x=[3,6007]", "axis=1" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        assert_cpu_follows_ref(large[i][0], large[i][1], large[i][2], 0);
}

/* ---------------------------------------------------- other element types -- */

static void masks_move_like_reals(void **state)
{
    (void)state;
    const uint8_t mask[] = { 1, 2, 3, 4, 5, 6 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        uint8_t moved[24];
        tern_tensor *x = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ 2, 3 }, mask);
        tern_read(ctx, tern_transpose(ctx, x, (tern_transpose_opts){ { 0 } }), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 1, 4, 2, 5, 3, 6 }), 6);
        tern_read(ctx, tern_flip(ctx, x, (tern_flip_opts){ { 1, 1 } }), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 6, 5, 4, 3, 2, 1 }), 6);
        tern_pad_opts pad = { .before = { 0, 1 }, .after = { 1 }, .value = 9 };
        tern_read(ctx, tern_pad(ctx, x, pad), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9 }), 12);
        tern_tensor *both[] = { x, x };
        tern_read(ctx, tern_stack(ctx, both, 2, (tern_stack_opts){ .axis = -1 }), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6 }), 12);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
    }
}

/* Four bytes make one block, as wide as a float, which moves by other ways. */
static void blocks_of_four_bytes_are_copied_whole(void **state)
{
    (void)state;
    const uint8_t mask[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        uint8_t moved[16];
        tern_tensor *x = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ 2, 4 }, mask);
        tern_pad_opts pad = { .after = { 2 }, .mode = TERN_PAD_REPLICATE };
        tern_read(ctx, tern_pad(ctx, x, pad), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8 }),
                            16);
        tern_read(ctx, tern_flip(ctx, x, (tern_flip_opts){ { 1 } }), TERN_U8, moved);
        assert_memory_equal(moved, ((uint8_t[]){ 5, 6, 7, 8, 1, 2, 3, 4 }), 8);
        tern_ctx_free(ctx);
    }
}

static void indices_move_bit_for_bit(void **state)
{
    (void)state;
    const int32_t x[] = { INT32_MIN, -1, 0x7f800001, 3 }, chosen[] = { 2, 2, 0 };
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        int32_t moved[8];
        tern_tensor *values = tern_input(ctx, "x", TERN_I32, 1, (int64_t[]){ 4 }, x);
        tern_tensor *index = tern_input(ctx, "index", TERN_I32, 1, (int64_t[]){ 3 }, chosen);
        tern_read(ctx, tern_gather(ctx, values, index, (tern_gather_opts){ 0 }), TERN_I32, moved);
        assert_memory_equal(moved, ((int32_t[]){ x[2], x[2], x[0] }), 3 * sizeof *moved);
        tern_read(ctx, tern_repeat(ctx, values, (tern_repeat_opts){ { 2 } }), TERN_I32, moved);
        assert_memory_equal(moved, x, sizeof x);
        assert_memory_equal(moved + 4, x, sizeof x);
        tern_pad_opts pad = { .after = { 1 }, .value = -7 };
        tern_read(ctx, tern_pad(ctx, values, pad), TERN_I32, moved);
        assert_int_equal(moved[4], -7);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
    }
}

/* ------------------------------------------------------------------ split -- */

static void pieces_of_a_split_put_together_are_the_whole(void **state)
{
    (void)state;
    for (int d = 0; d < DEVICES; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *piece[4], *x = counting(ctx, 2, (int64_t[]){ 3, 7 });
        tern_split(ctx, x, 4, (tern_split_opts){ .axis = -1, .sizes = (int64_t[]){ 2, 0, 4, 1 } },
                   piece);
        assert_int_equal(piece[1]->shape[1], 0);
        assert_int_equal(piece[2]->shape[1], 4);
        backward(ctx, tern_concat(ctx, piece, 4, (tern_concat_opts){ .axis = 1 }));
        double counted[21];
        for (int i = 0; i < 21; i++)
            counted[i] = i + 1;
        assert_values(ctx, x->grad, 21, counted);
        tern_ctx_free(ctx);
    }
}

static void a_split_into_equal_pieces_needs_no_sizes(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *piece[3], *x = counting(ctx, 2, (int64_t[]){ 6, 1 });
    tern_split(ctx, x, 3, (tern_split_opts){ 0 }, piece);
    assert_values(ctx, piece[0], 2, (double[]){ 1, 2 });
    assert_values(ctx, piece[2], 2, (double[]){ 5, 6 });
    tern_ctx_free(ctx);
}

static void a_split_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const struct {
        tern_split_opts opts;
        int parts;
        tern_status code;
        const char *message;
    } cases[] = {
        { { .axis = 2 }, 2, TERN_ERR_OPTION, "split: axis 2 is not there in x [6,5]" },
        { { .axis = 1 }, 2, TERN_ERR_SHAPE, "axis 1 of x [6,5] cannot be cut into 2 equal" },
        { { .sizes = (int64_t[]){ 2, 3 } }, 2, TERN_ERR_SHAPE, "do not add up to axis 0" },
        { { .sizes = (int64_t[]){ 7, -1 } }, 2, TERN_ERR_SHAPE, "do not add up to axis 0" },
        { { 0 }, 0, TERN_ERR_ARGUMENT, "0 pieces wanted" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tern_ctx *ctx = open_recording("cpu");
        tern_tensor *piece[2] = { NULL, NULL };
        tern_split(ctx, counting(ctx, 2, (int64_t[]){ 6, 5 }), cases[i].parts, cases[i].opts, piece);
        assert_tern_fails(ctx, cases[i].code, cases[i].message);
        for (int p = 0; p < cases[i].parts; p++)
            assert_ptr_equal(piece[p], tern_nil(ctx));
        tern_ctx_free(ctx);
    }
}

/* ---------------------------------------------------------------- messages -- */

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    static const int32_t chosen[] = { 0, 5, 1, 1, 2, 0 };
    static const int64_t shape[] = { 2, 3 };
    for (int i = 0; i < 9; i++) {
        tern_ctx *ctx = open_recording("cpu");
        tern_tensor *x = counting(ctx, 2, shape);
        tern_tensor *index = tern_input(ctx, "index", TERN_I32, 2, shape, chosen);
        tern_tensor *mask = tern_input(ctx, "mask", TERN_U8, 1, shape, "\1\1");
        tern_tensor *two[] = { x, counting(ctx, 1, shape) };
        switch (i) {
        case 0:
            tern_transpose(ctx, x, (tern_transpose_opts){ { 1, 1 } });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "axes 1,1 are not a permutation of those of x "
                                                    "[2,3]");
            break;
        case 1:
            tern_transpose(ctx, x, (tern_transpose_opts){ { 0, 1, 2 } });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "axes 0,1,2 are not");
            break;
        case 2:
            tern_gather(ctx, x, index, (tern_gather_opts){ .axis = 1 });
            assert_tern_fails(ctx, TERN_ERR_DATA, "index [2,3] holds 5 at position 1, axis 1 of x "
                                                  "[2,3] has 3 elements");
            break;
        case 3:
            tern_gather(ctx, two[1], index, (tern_gather_opts){ 0 });
            assert_tern_fails(ctx, TERN_ERR_SHAPE, "index [2,3] must have the axes of x [2]");
            break;
        case 4:
            tern_pad(ctx, x, (tern_pad_opts){ .before = { 2 }, .mode = TERN_PAD_REFLECT });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "at most 1 elements to axis 0 of x [2,3], not 2");
            break;
        case 5:
            tern_pad(ctx, mask, (tern_pad_opts){ .before = { 1 }, .value = 0.5 });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "value 0.5 does not fit x, which is u8");
            break;
        case 6:
            tern_repeat(ctx, x, (tern_repeat_opts){ { 2 } });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "times has 1 entries, x [2,3] has 2 axes");
            break;
        case 7:
            tern_flip(ctx, x, (tern_flip_opts){ { 0, 0, 1 } });
            assert_tern_fails(ctx, TERN_ERR_OPTION, "reverse marks axis 2");
            break;
        default:
            tern_stack(ctx, two, 2, (tern_stack_opts){ 0 });
            assert_tern_fails(ctx, TERN_ERR_SHAPE, "x number 1 [2] has another shape than the first");
        }
        tern_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_tiles_give_what_ref_gives),
        cmocka_unit_test(masks_move_like_reals),
        cmocka_unit_test(blocks_of_four_bytes_are_copied_whole),
        cmocka_unit_test(indices_move_bit_for_bit),
        cmocka_unit_test(pieces_of_a_split_put_together_are_the_whole),
        cmocka_unit_test(a_split_into_equal_pieces_needs_no_sizes),
        cmocka_unit_test(a_split_that_does_not_fit_is_refused),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests_name("axes", tests, NULL, NULL);
}
