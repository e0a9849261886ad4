/* masked_mean: steps that must not count, and all widths of the strips. */
#include "tests/check.h"

#include "core/rng.h"
#include "kernels/masked_mean/masked_mean.h"
#include "kernels/table.h"

#include <math.h>
#include <string.h>

static tern_ctx *open_device(const char *device, const char *simd)
{
    tern_error error = { 0 };
    tern_ctx *ctx =
        tern_open((tern_ctx_opts){ .device = device, .simd = simd, .poison = true }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_set_recording(ctx, true);
    tern_step_begin(ctx, 0);
    return ctx;
}

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
        tern_ctx *ctx = open_device(devices[d], NULL);
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

enum { CLIPS = 2, STEPS = 5, MOST = 150 };

static void mean_and_grad(tern_ctx *ctx, int64_t dim, const double *x, const uint8_t *mask,
                          double *y, double *grad)
{
    tern_tensor *in = tern_require_grad(
        ctx, tern_input(ctx, "x", TERN_F64, 3, (int64_t[]){ CLIPS, STEPS, dim }, x));
    tern_tensor *valid = tern_input(ctx, "mask", TERN_U8, 2, (int64_t[]){ CLIPS, STEPS }, mask);
    tern_tensor *out = tern_masked_mean(ctx, in, valid);
    tern_read(ctx, out, TERN_F64, y);
    tern_seed_grad(ctx, out, TERN_F64, x);
    tern_backward(ctx, NULL);
    tern_read(ctx, in->grad, TERN_F64, grad);
    assert_tern_ok(ctx);
}

/* Narrower than a vector, a whole strip, and strips with a rest. */
static void every_width_is_right_at_every_simd_level(void **state)
{
    (void)state;
    static const int64_t widths[] = { 1, 7, 16, 31, 32, 64, 97, MOST };
    const uint8_t mask[CLIPS * STEPS] = { 1, 1, 0, 1, 0, 0, 1, 1, 1, 1 };
    double x[CLIPS * STEPS * MOST], y[2][CLIPS * MOST], grad[2][CLIPS * STEPS * MOST];
    const char *levels[8];
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 0);
    for (int i = 0; i < CLIPS * STEPS * MOST; i++)
        x[i] = (float)tern_rng_normal(&rng);
    for (int i = 0, count = tern_simd_levels(levels); i < 8 * count; i++) {
        int64_t dim = widths[i % 8];
        tern_ctx *ref = open_device("ref", NULL), *cpu = open_device("cpu", levels[i / 8]);
        mean_and_grad(ref, dim, x, mask, y[0], grad[0]);
        mean_and_grad(cpu, dim, x, mask, y[1], grad[1]);
        for (int64_t j = 0; j < CLIPS * dim; j++)
            assert_float_equal(y[1][j], y[0][j], 1e-6);
        for (int64_t j = 0; j < CLIPS * STEPS * dim; j++)
            assert_float_equal(grad[1][j], grad[0][j], 1e-6);
        tern_ctx_free(ref);
        tern_ctx_free(cpu);
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
