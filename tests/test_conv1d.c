/* Wrong shapes are named as conv1d's, though conv2d does the work.  That it computes what
 * nn.Conv1d computes is tests/test_image_layers.c's. */
#include "tests/check.h"

#include <string.h>

#include "kernels/conv2d/conv1d.h"
#include "kernels/table.h"

static void fails(int rank, const int64_t *x_shape, const int64_t *weight_shape,
                  const char *message)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "meta" }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, rank, x_shape, 1), *weight = tern_full(ctx, 3, weight_shape, 1);
    tern_conv1d(ctx, x, weight, NULL, (tern_conv1d_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, message);
    tern_ctx_free(ctx);
}

static void wrong_shapes_are_named(void **state)
{
    (void)state;
    fails(2, (int64_t[]){ 4, 3 }, (int64_t[]){ 5, 3, 3 },
          "conv1d: x [N,T,I] must have three axes, not [4,3]");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 3, 2 },
          "weight [5,3,1,2] (O,kh,kw,I) wants 2 input channels, x is [1,4,1,3]");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 7, 3 }, "is larger than x [1,4,1,3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
