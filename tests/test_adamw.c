/* adamw and grad_norm against a hundred steps of torch.optim.AdamW with clipping
 * (tests/fixtures/make_adamw.py), on the parameter blocks as a trainer uses them. */
#include "tests/check.h"

#include "core/rng.h"
#include "core/safetensors.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE "tests/fixtures/adamw.safetensors"

enum { WEIGHTS = 7, BIASES = 4, STEPS = 100 };

static tern_ctx *open_device(const char *device, const char *simd, int threads)
{
    tern_error error = { 0 };
    tern_ctx_opts opts = { .device = device, .simd = simd, .threads = threads };
    tern_ctx *ctx = tern_open(opts, &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

static const void *fixture(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    if (!stored)
        fail_msg("%s", error.message);
    return stored->data;
}

/* The largest deviation from the fixture over its rows, which stand `every` steps
 * apart, relative to the largest value of the row. */
static double deviation(tern_ctx *ctx, const tern_tensor *tensor, const double *wanted, int64_t row)
{
    double got[WEIGHTS], largest = 0, worst = 0;
    tern_read(ctx, tensor, TERN_F64, got);
    for (int64_t i = 0; i < tensor->count; i++) {
        largest = fmax(largest, fabs(wanted[row * tensor->count + i]));
        worst = fmax(worst, fabs(got[i] - wanted[row * tensor->count + i]));
    }
    return worst / largest;
}

static tern_safetensors *open_fixture(void)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(FIXTURE, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

static double train(tern_ctx *ctx, const tern_safetensors *file, double norm_tolerance)
{
    double max_norm = atof(tern_safetensors_metadata(file, "max_norm"));
    double weight_decay = atof(tern_safetensors_metadata(file, "weight_decay")), worst = 0;
    int every = atoi(tern_safetensors_metadata(file, "every"));
    const double *lr = fixture(file, "lr"), *norms = fixture(file, "norms");
    const float *grad_weight = fixture(file, "grad_weight"), *grad_bias = fixture(file, "grad_bias");

    tern_tensor *weight = tern_param(ctx, "weight", 1, (int64_t[]){ WEIGHTS },
                                     (tern_param_opts){ 0 });
    tern_tensor *bias = tern_param(ctx, "bias", 1, (int64_t[]){ BIASES },
                                   (tern_param_opts){ .no_decay = true });
    tern_params_freeze(ctx);
    tern_write(ctx, weight, TERN_F64, fixture(file, "weight"));
    tern_write(ctx, bias, TERN_F64, fixture(file, "bias"));
    const tern_param_blocks *blocks = tern_blocks(ctx);
    for (int step = 0; step < STEPS; step++) {
        tern_tensor *scale;
        tern_step_begin(ctx, 0);
        tern_write(ctx, weight->grad, TERN_F32, grad_weight + step * WEIGHTS);
        tern_write(ctx, bias->grad, TERN_F32, grad_bias + step * BIASES);
        tern_tensor *norm = tern_grad_norm(ctx, blocks->grad, &scale,
                                           (tern_grad_norm_opts){ .max_norm = max_norm });
        tern_adamw(ctx, blocks, scale, (tern_adamw_opts){ .lr = lr[step], .step = step + 1,
                                                          .weight_decay = weight_decay });
        assert_float_equal(tern_read_scalar(ctx, norm) / norms[step], 1, norm_tolerance);
        if ((step + 1) % every)
            continue;
        int64_t row = step / every;
        tern_tensor moment1 = tern_param_slice(ctx, 0, TERN_BLOCK_MOMENT1);
        tern_tensor moment2 = tern_param_slice(ctx, 1, TERN_BLOCK_MOMENT2);
        worst = fmax(worst, deviation(ctx, weight, fixture(file, "after_weight"), row));
        worst = fmax(worst, deviation(ctx, bias, fixture(file, "after_bias"), row));
        worst = fmax(worst, deviation(ctx, &moment1, fixture(file, "after_weight_moment1"), row));
        worst = fmax(worst, deviation(ctx, &moment2, fixture(file, "after_bias_moment2"), row));
    }
    assert_tern_ok(ctx);
    return worst;
}

static void ref_takes_pytorchs_hundred_steps(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    tern_ctx *ctx = open_device("ref", NULL, 1);
    double worst = train(ctx, file, 1e-14);
    if (worst > 1e-13)
        fail_msg("relative deviation %g", worst);
    tern_ctx_free(ctx);
    tern_safetensors_close(file);
}

/* PyTorch's own float32 deviates from its float64 by so much. */
static double pytorch_float32_deviation(const tern_safetensors *file)
{
    const double *exact = fixture(file, "after_weight"), *single = fixture(file, "float32_weight");
    double worst = 0;
    for (int row = 0; row < STEPS / 10; row++) {
        double largest = 0, difference = 0;
        for (int i = row * WEIGHTS; i < (row + 1) * WEIGHTS; i++) {
            largest = fmax(largest, fabs(exact[i]));
            difference = fmax(difference, fabs(single[i] - exact[i]));
        }
        worst = fmax(worst, difference / largest);
    }
    return worst;
}

static void every_simd_level_stays_as_near_as_pytorchs_float32(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    double limit = 3 * pytorch_float32_deviation(file);
    const char *levels[8];
    for (int i = 0, count = tern_simd_levels(levels); i < count; i++) {
        tern_ctx *ctx = open_device("cpu", levels[i], 1);
        double worst = train(ctx, file, 1e-6);
        if (worst > limit)
            fail_msg("%s: relative deviation %g, limit %g", levels[i], worst, limit);
        tern_ctx_free(ctx);
    }
    tern_safetensors_close(file);
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

/* Three clipped steps; what they leave, and the norm in result[MANY]. */
static float *three_steps(int threads)
{
    float *result = malloc((MANY + 1) * sizeof *result), *values = normal_values(0, 1);
    tern_ctx *ctx = open_device("cpu", NULL, threads);
    tern_tensor *weight = tern_param(ctx, "weight", 1, (int64_t[]){ MANY }, (tern_param_opts){ 0 });
    assert_non_null(result);
    tern_params_freeze(ctx);
    tern_write(ctx, weight, TERN_F32, values);
    for (int step = 1; step <= 3; step++) {
        tern_tensor *scale;
        float *grad = normal_values((uint32_t)step, 0.01);
        tern_step_begin(ctx, 0);
        tern_write(ctx, weight->grad, TERN_F32, grad);
        tern_tensor *norm = tern_grad_norm(ctx, tern_blocks(ctx)->grad, &scale,
                                           (tern_grad_norm_opts){ .max_norm = 1 });
        tern_adamw(ctx, tern_blocks(ctx), scale, (tern_adamw_opts){ .lr = 0.1, .step = step });
        tern_read(ctx, norm, TERN_F32, &result[MANY]);
        free(grad);
    }
    tern_read(ctx, weight, TERN_F32, result);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    free(values);
    return result;
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    float *one = three_steps(1), *two = three_steps(2);
    assert_memory_equal(one, two, (MANY + 1) * sizeof *one);
    free(one);
    free(two);
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
    tern_ctx *ctx = open_device("cpu", NULL, 1);
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
    tern_ctx *ctx = open_device("cpu", NULL, 1);
    float *grad = normal_values(9, 1);
    double scale;
    grad[MANY - 1] = INFINITY;
    assert_true(isinf(norm_of(ctx, grad, 1, &scale)) && scale == 0);
    grad[17] = NAN;
    assert_true(isnan(norm_of(ctx, grad, 1, &scale)) && isnan(scale));
    free(grad);
    tern_ctx_free(ctx);
}

static void a_step_number_must_be_given(void **state)
{
    (void)state;
    tern_ctx *ctx = open_device("cpu", NULL, 1);
    tern_param(ctx, "weight", 1, (int64_t[]){ 3 }, (tern_param_opts){ 0 });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 0.1 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "step is 0");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_takes_pytorchs_hundred_steps),
        cmocka_unit_test(every_simd_level_stays_as_near_as_pytorchs_float32),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(the_norm_neither_overflows_nor_vanishes),
        cmocka_unit_test(a_broken_gradient_shows_in_the_norm),
        cmocka_unit_test(a_step_number_must_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
