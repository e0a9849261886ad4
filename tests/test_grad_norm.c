/* Promises of grad_norm: no size of gradients breaks the norm, and what is broken shows. */
#include "tests/check.h"

#include "core/rng.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>

static tern_ctx *open_cpu(int threads)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = "cpu", .threads = threads }, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

enum { MANY = 100003 };

static float *normal_values(uint32_t stream, double scale)
{
    float *values = malloc(MANY * sizeof *values);
    tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, stream);
    assert_non_null(values);
    for (int i = 0; i < MANY; i++)
        values[i] = (float)(scale * tern_rng_normal(&rng));
    return values;
}

static double norm_of(tern_ctx *ctx, const float *grad, double max_norm, double *scale)
{
    tern_tensor *factor;
    tern_step_begin(ctx, 0);
    tern_tensor *given = tern_input(ctx, "grad", TERN_F32, 1, (int64_t[]){ MANY }, grad);
    tern_tensor *norm =
        tern_grad_norm(ctx, given, &factor, (tern_grad_norm_opts){ .max_norm = max_norm });
    *scale = tern_read_scalar(ctx, factor);
    return tern_read_scalar(ctx, norm);
}

static void the_norm_neither_overflows_nor_vanishes(void **state)
{
    (void)state;
    const double sizes[] = { 1e30, 1, 1e-30 };
    tern_ctx *ctx = open_cpu(1);
    for (int i = 0; i < 3; i++) {
        float *grad = normal_values(9, sizes[i]);
        double sum = 0, scale;
        for (int j = 0; j < MANY; j++)
            sum += (double)grad[j] * grad[j];
        assert_float_equal(norm_of(ctx, grad, 0, &scale) / sqrt(sum), 1, 1e-7);
        assert_true(scale == 1);
        free(grad);
    }
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static void a_broken_gradient_shows_in_the_norm(void **state)
{
    (void)state;
    tern_ctx *ctx = open_cpu(1);
    float *grad = normal_values(9, 1);
    double scale;
    grad[MANY - 1] = INFINITY;
    assert_true(isinf(norm_of(ctx, grad, 1, &scale)) && scale == 0);
    grad[17] = NAN;
    assert_true(isnan(norm_of(ctx, grad, 1, &scale)) && isnan(scale));
    free(grad);
    tern_ctx_free(ctx);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    float *grad = normal_values(9, 1);
    double norm[2], scale[2];
    for (int i = 0; i < 2; i++) {
        tern_ctx *ctx = open_cpu(1 + i);
        norm[i] = norm_of(ctx, grad, 1, &scale[i]);
        assert_tern_ok(ctx);
        tern_ctx_free(ctx);
    }
    assert_true(norm[0] == norm[1] && scale[0] == scale[1]);
    free(grad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_norm_neither_overflows_nor_vanishes),
        cmocka_unit_test(a_broken_gradient_shows_in_the_norm),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
