/* masked_max: steps that must not count, ties, NaN, and all widths of the strips. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/masked_max/masked_max.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

/* x [2,3,2], its maxima [2,2] and its gradient for upstream gradients 2, 6, 3, 5. */
static void run(const char *device, const double *x, const uint8_t *mask, double *y, double *grad)
{
    const double seed[] = { 2, 6, 3, 5 };
    tern_ctx *ctx = open_recording(device);
    tern_tensor *in =
        tern_require_grad(ctx, tern_input(ctx, "x", TERN_F64, 3, (int64_t[]){ 2, 3, 2 }, x));
    tern_tensor *valid = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ 2, 3 }, mask);
    tern_tensor *out = tern_masked_max(ctx, in, valid);
    tern_read(ctx, out, TERN_F64, y);
    tern_seed_grad(ctx, out, TERN_F64, seed);
    tern_backward(ctx, NULL);
    tern_read(ctx, in->grad, TERN_F64, grad);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void what_is_masked_neither_counts_nor_learns(void **state)
{
    (void)state;
    const double x[] = { -1, -2, NAN, INFINITY, -5, -1, NAN, 1, 2, NAN, 3, NAN };
    const uint8_t mask[] = { 1, 0, 1, 0, 0, 0 }; /* of the second sequence none is valid */
    const double wanted[] = { -1, -1, 0, 0 };
    const double wanted_grad[] = { 2, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0 };
    for (int d = 0; d < 2; d++) {
        double y[4], grad[12];
        run(devices[d], x, mask, y, grad);
        for (int i = 0; i < 4; i++)
            assert_true(y[i] == wanted[i]);
        for (int i = 0; i < 12; i++)
            assert_true(grad[i] == wanted_grad[i]);
    }
}

static void equal_maxima_share_the_gradient_and_nan_wins(void **state)
{
    (void)state;
    const double x[] = { 0, 4, 0, 4, 0, 4, -INFINITY, 1, -INFINITY, NAN, 8, 3 };
    const uint8_t mask[] = { 1, 1, 0, 1, 1, 0 };
    for (int d = 0; d < 2; d++) {
        double y[4], grad[12];
        run(devices[d], x, mask, y, grad);
        assert_true(y[0] == 0 && y[1] == 4 && y[2] == -INFINITY && isnan(y[3]));
        for (int t = 0; t < 3; t++) {
            assert_true(grad[2 * t] == (t < 2 ? 1 : 0) && grad[2 * t + 1] == (t < 2 ? 3 : 0));
            assert_true(grad[6 + 2 * t] == (t < 2 ? 1.5 : 0));
            assert_int_equal(isnan(grad[6 + 2 * t + 1]) != 0, t < 2);
        }
    }
}

/* Narrower than a vector, a whole strip, and strips with a rest. */
static void every_width_is_right_at_every_simd_level(void **state)
{
    static const int widths[] = { 1, 7, 16, 31, 32, 64, 97, 150 };
    (void)state;
    for (int i = 0; i < 8; i++) {
        char inputs[64];
        snprintf(inputs, sizeof inputs, "x=[3,9,%d] mask=[3,9]", widths[i]);
        assert_cpu_follows_ref("masked_max", inputs, "", 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_masked_neither_counts_nor_learns),
        cmocka_unit_test(equal_maxima_share_the_gradient_and_nan_wins),
        cmocka_unit_test(every_width_is_right_at_every_simd_level),
    };
    return cmocka_run_group_tests_name("masked_max", tests, NULL, NULL);
}
