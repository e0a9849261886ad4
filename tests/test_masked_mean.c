/* masked_mean: steps that must not count, and all widths of the strips. */
#include "tests/check.h"

#include <math.h>

#include "kernels/masked_mean/masked_mean.h"
#include "tests/against_ref.h"

/* Two sequences of three steps; of the second none is valid. */
static void what_is_masked_neither_counts_nor_learns(void **state)
{
    (void)state;
    const char *const devices[] = { "ref", "cpu" };
    const double x[] = { 1, 2, NAN, INFINITY, 5, 8, NAN, 1, 2, NAN, 3, NAN };
    const uint8_t mask[] = { 1, 0, 1, 0, 0, 0 };
    const double seed[] = { 2, 6, NAN, INFINITY };
    const double wanted[] = { 3, 5, 0, 0 };
    const double wanted_grad[] = { 1, 3, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0 };
    for (int d = 0; d < 2; d++) {
        double got[4], grad[12];
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *in = tern_require_grad(
            ctx, tern_input(ctx, "x", TERN_F64, 3, (int64_t[]){ 2, 3, 2 }, x));
        tern_tensor *valid = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ 2, 3 }, mask);
        tern_tensor *y = tern_masked_mean(ctx, in, valid);
        tern_read(ctx, y, TERN_F64, got);
        tern_seed_grad(ctx, y, TERN_F64, seed);
        tern_backward(ctx, NULL);
        tern_read(ctx, in->grad, TERN_F64, grad);
        assert_tern_ok(ctx);
        for (int i = 0; i < 4; i++)
            assert_true(got[i] == wanted[i]);
        for (int i = 0; i < 12; i++)
            assert_true(grad[i] == wanted_grad[i]);
        tern_ctx_free(ctx);
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
        assert_cpu_follows_ref("masked_mean", inputs, "", 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_masked_neither_counts_nor_learns),
        cmocka_unit_test(every_width_is_right_at_every_simd_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
