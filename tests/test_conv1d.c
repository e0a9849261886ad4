/* Wrong shapes are named as conv1d's, though conv2d does the work.  That it computes what
 * PyTorch computes is shown by its fixtures, as of every op. */
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
          "conv1d: x [4,3] must be (N,T,C) and weight [5,3,3] (O,k,I)");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 3, 2 },
          "conv1d: weight [5,3,2] (O,k,I) wants 2 input channels, x is [1,4,3] (N,T,C)");
    fails(3, (int64_t[]){ 1, 4, 3 }, (int64_t[]){ 5, 7, 3 }, "conv1d: weight [5,7,3] (O,k,I) is larger than x [1,4,3] (N,T,C) padded by 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_shapes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
