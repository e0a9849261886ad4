/* Promises of rms_norm, group_norm and add_layer_norm that the tests of all ops cannot
 * see: what they have in common with layer_norm, and problems of many tiles. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/elementwise/binary.h"
#include "kernels/group_norm/group_norm.h"
#include "kernels/layer_norm/add_layer_norm.h"
#include "kernels/rms_norm/rms_norm.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

enum { ROWS = 5, WIDTH = 12 };
static const int64_t matrix[] = { ROWS, WIDTH };

static tern_tensor *wave(tern_ctx *ctx, int rank, const int64_t *shape, double phase, double shift)
{
    double values[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        values[i] = shift + 3 * sin(1.7 * i + phase);
    return tern_require_grad(ctx, tern_input(ctx, "x", TERN_F64, rank, shape, values));
}

static void assert_near(tern_ctx *ctx, const tern_tensor *a, const tern_tensor *b, double tolerance)
{
    double va[ROWS * WIDTH], vb[ROWS * WIDTH];
    tern_read(ctx, a, TERN_F64, va);
    tern_read(ctx, b, TERN_F64, vb);
    assert_tern_ok(ctx);
    for (int64_t i = 0; i < a->count; i++)
        if (!(fabs(va[i] - vb[i]) <= tolerance))
            fail_msg("element %d is %.9g, wanted %.9g", (int)i, va[i], vb[i]);
}

/* Forward to the bit, and the gradient whichever of the two outputs it comes from. */
static void one_pass_is_add_and_layer_norm(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x[2], *residual[2], *y[2], *sum[2], *gain = wave(ctx, 1, &matrix[1], 5, 0);
        for (int fused = 0; fused < 2; fused++) {
            x[fused] = wave(ctx, 2, matrix, 0, 0);
            residual[fused] = wave(ctx, 2, matrix, 2, 0);
        }
        sum[0] = tern_add(ctx, x[0], residual[0]);
        y[0] = tern_layer_norm(ctx, sum[0], gain, NULL, (tern_layer_norm_opts){ 0 });
        y[1] = tern_add_layer_norm(ctx, x[1], residual[1], gain, NULL, &sum[1],
                                   (tern_layer_norm_opts){ 0 });
        assert_near(ctx, y[1], y[0], 0);
        assert_near(ctx, sum[1], sum[0], 0);
        double seed[ROWS * WIDTH];
        for (int i = 0; i < ROWS * WIDTH; i++)
            seed[i] = cos(i);
        for (int fused = 0; fused < 2; fused++) {
            tern_tensor *both = tern_mul(ctx, y[fused], sum[fused]);
            tern_seed_grad(ctx, both, TERN_F64, seed);
        }
        tern_backward(ctx, NULL);
        assert_near(ctx, x[1]->grad, x[0]->grad, d ? 1e-4 : 1e-12);
        assert_near(ctx, residual[1]->grad, x[0]->grad, d ? 1e-4 : 1e-12);
        tern_ctx_free(ctx);
    }
}

static void the_sum_need_not_be_used(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = wave(ctx, 2, matrix, 0, 0), *other = wave(ctx, 2, matrix, 0, 0);
        tern_tensor *zero = tern_full(ctx, 2, matrix, 0);
        tern_tensor *y = tern_add_layer_norm(ctx, x, zero, NULL, NULL, NULL,
                                             (tern_layer_norm_opts){ 0 });
        tern_tensor *z = tern_layer_norm(ctx, other, NULL, NULL, (tern_layer_norm_opts){ 0 });
        double seed[ROWS * WIDTH];
        for (int i = 0; i < ROWS * WIDTH; i++)
            seed[i] = cos(i);
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_seed_grad(ctx, z, TERN_F64, seed);
        tern_backward(ctx, NULL);
        assert_near(ctx, x->grad, other->grad, d ? 1e-6 : 1e-14);
        tern_ctx_free(ctx);
    }
}

static void one_group_of_a_row_is_layer_norm(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = wave(ctx, 2, matrix, 0, 10);
        assert_near(ctx, tern_group_norm(ctx, x, NULL, NULL, (tern_group_norm_opts){ 0 }),
                    tern_layer_norm(ctx, x, NULL, NULL, (tern_layer_norm_opts){ 0 }),
                    d ? 1e-5 : 1e-13);
        tern_ctx_free(ctx);
    }
}

/* A shift of one group's channels changes nothing; of rms_norm's input it does. */
static void groups_forget_their_mean_and_rms_does_not(void **state)
{
    const int64_t shape[] = { 1, ROWS, WIDTH };
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = wave(ctx, 3, shape, 0, 0);
        double shift[WIDTH] = { 7, 7, 7, 7, -5, -5, -5, -5 };
        tern_tensor *moved =
            tern_add(ctx, x, tern_input(ctx, "shift", TERN_F64, 1, &shape[2], shift));
        const tern_group_norm_opts opts = { .groups = 3 };
        assert_near(ctx, tern_group_norm(ctx, moved, NULL, NULL, opts),
                    tern_group_norm(ctx, x, NULL, NULL, opts), d ? 1e-5 : 1e-13);
        double y[ROWS * WIDTH];
        tern_tensor *ones = tern_full(ctx, 2, matrix, -4);
        tern_read(ctx, tern_rms_norm(ctx, ones, NULL, (tern_rms_norm_opts){ 0 }), TERN_F64, y);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_float_equal(y[i], -1, 1e-6);
        tern_ctx_free(ctx);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_group_norm(ctx, tern_full(ctx, 2, matrix, 1), NULL, NULL,
                    (tern_group_norm_opts){ .groups = 5 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "groups is 5, it must divide the 12 channels");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_add_layer_norm(ctx, tern_full(ctx, 2, matrix, 1), tern_full(ctx, 1, matrix, 1), NULL, NULL,
                        NULL, (tern_layer_norm_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "residual [5] must have the shape of x [5,12]");
    tern_ctx_free(ctx);
}

static void cpu_follows_ref_over_many_tiles(void **state)
{
    static const char *const groups[] = { "groups=2", "groups=18", "" };
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_cpu_follows_ref("group_norm", "x=[3,23,29,36]{-1..3} gain=[36] bias=[36]", groups[i],
                               1e-5);
    assert_cpu_follows_ref("rms_norm", "x=[701,67] gain=[67]", "", 1e-5);
    assert_cpu_follows_ref("add_layer_norm", "x=[701,67] residual=[701,67] gain=[67] bias=[67]", "",
                           1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pass_is_add_and_layer_norm),
        cmocka_unit_test(the_sum_need_not_be_used),
        cmocka_unit_test(one_group_of_a_row_is_layer_norm),
        cmocka_unit_test(groups_forget_their_mean_and_rms_does_not),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(cpu_follows_ref_over_many_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
