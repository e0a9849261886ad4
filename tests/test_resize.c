/* Promises of the resizing ops: identities that show which pixels are met, PyTorch's
 * choice of the nearest pixel, agreement of cpu with ref at every SIMD level. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/resize/resize.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

/* A row of `size` pixels of one channel, resized to `out_size`. */
static void resize_row(const char *device, const char *op, bool align_corners, int64_t size,
                       int64_t out_size, const double *x, double *y)
{
    tern_ctx *ctx = open_recording(device);
    tern_tensor *in = tern_input(ctx, "x", TERN_F64, 4, (int64_t[]){ 1, 1, size, 1 }, x);
    tern_tensor *out =
        strcmp(op, "nearest") == 0
            ? tern_resize_nearest(ctx, in, (tern_resize_nearest_opts){ .size = { 1, out_size } })
            : tern_resize_bilinear(ctx, in,
                                   (tern_resize_bilinear_opts){ .size = { 1, out_size },
                                                                .align_corners = align_corners });
    tern_read(ctx, out, TERN_F64, y);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void aligned_corners_fall_on_corners(void **state)
{
    (void)state;
    const double x[] = { 8, 0, 4 };
    const double aligned[] = { 8, 4, 0, 2, 4 }, centred[] = { 8, 4.8, 0, 2.4, 4 };
    for (int d = 0; d < 2; d++) {
        double y[5];
        resize_row(devices[d], "bilinear", true, 3, 5, x, y);
        for (int i = 0; i < 5; i++)
            assert_float_equal(y[i], aligned[i], 1e-6);
        resize_row(devices[d], "bilinear", false, 3, 5, x, y);
        for (int i = 0; i < 5; i++)
            assert_float_equal(y[i], centred[i], 1e-6);
    }
}

/* 41 * (2 / 82) in float32 is below 1: torch.nn.functional.interpolate takes pixel 0
 * where the exact quotient says 1. */
static void nearest_rounds_as_pytorch(void **state)
{
    (void)state;
    double x[7], y[82];
    for (int i = 0; i < 7; i++)
        x[i] = i;
    for (int d = 0; d < 2; d++) {
        resize_row(devices[d], "nearest", false, 2, 82, x, y);
        for (int i = 0; i < 82; i++)
            assert_true(y[i] == (i > 41));
        resize_row(devices[d], "nearest", false, 7, 5, x, y);
        for (int i = 0; i < 5; i++)
            assert_true(y[i] == i * 7 / 5);
    }
}

static void cpu_follows_ref_at_every_level_and_size(void **state)
{
    static const char *const problems[][3] = {
        { "resize_nearest", "x=[3,13,17,33]", "size=31,29" },
        { "resize_nearest", "x=[3,31,29,5]", "size=13,40" },
        { "resize_nearest", "x=[2,64,3,1]", "size=1,64" },
        { "resize_bilinear", "x=[3,13,17,33]", "size=31,29" },
        { "resize_bilinear", "x=[3,31,29,5]", "size=13,40" },
        { "resize_bilinear", "x=[3,13,17,33]", "size=31,29 align_corners=true" },
        { "resize_bilinear", "x=[3,31,29,5]", "size=13,40 align_corners=true" },
        { "resize_bilinear", "x=[2,64,3,1]", "size=1,64 align_corners=true" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        assert_cpu_follows_ref(problems[i][0], problems[i][1], problems[i][2], 4e-6);
}

static void wrong_sizes_are_named(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("meta");
    tern_resize_nearest(ctx, tern_full(ctx, 4, (int64_t[]){ 1, 2, 2, 1 }, 1),
                        (tern_resize_nearest_opts){ .size = { 4 } });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "resize_nearest: option size is 0, it must be 1 to");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_resize_bilinear(ctx, tern_full(ctx, 4, (int64_t[]){ 1, 0, 2, 1 }, 1),
                         (tern_resize_bilinear_opts){ .size = { 4, 4 } });
    assert_tern_fails(ctx, TERN_ERR_SHAPE,
                      "resize_bilinear: x [1,0,2,1] must be (N,H,W,C) where only N may be 0");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_corners_fall_on_corners),
        cmocka_unit_test(nearest_rounds_as_pytorch),
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_size),
        cmocka_unit_test(wrong_sizes_are_named),
    };
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
