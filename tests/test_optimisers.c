/* sgd, adam and ema against a hundred steps of torch.optim with clipping
 * (tests/fixtures/make_optimisers.py), on the parameter blocks as a trainer uses them. */
#include "tests/check.h"

#include "core/safetensors.h"
#include "kernels/adamw/adam.h"
#include "kernels/ema/ema.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE "tests/fixtures/optimisers.safetensors"

enum { WEIGHTS = 7, BIASES = 4, STEPS = 100 };

static const char *const ways[] = { "sgd", "momentum", "nesterov", "adam" };
enum { SGD, MOMENTUM, NESTEROV, ADAM, WAYS };

static tern_ctx *open_device(const char *device, const char *simd)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .simd = simd, .threads = 1 },
                              &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

static tern_safetensors *open_fixture(void)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(FIXTURE, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

/* way NULL: of all ways. */
static const void *fixture(const tern_safetensors *file, const char *way, const char *name)
{
    char full[64];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%s%s%s", way ? way : "", way ? "." : "", name);
    const tern_stored *stored = tern_safetensors_find(file, full, &error);
    if (!stored)
        fail_msg("%s", error.message);
    return stored->data;
}

static double number(const tern_safetensors *file, const char *key)
{
    return atof(tern_safetensors_metadata(file, key));
}

/* Of a row of the fixture, relative to its largest value. */
static double deviation(const double *got, const double *wanted, int64_t count)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(wanted[i]));
        worst = fmax(worst, fabs(got[i] - wanted[i]));
    }
    return worst / largest;
}

static double deviation_of(tern_ctx *ctx, const tern_tensor *tensor, const double *rows, int64_t row)
{
    double got[WEIGHTS];
    tern_read(ctx, tensor, TERN_F64, got);
    return deviation(got, rows + row * tensor->count, tensor->count);
}

static void step_of(tern_ctx *ctx, int way, tern_tensor *scale, double lr, double weight_decay,
                    int64_t step)
{
    tern_sgd_opts sgd = { .lr = lr, .weight_decay = weight_decay };
    if (way == ADAM) {
        tern_adam(ctx, tern_blocks(ctx), scale,
                  (tern_adamw_opts){ .lr = lr, .weight_decay = weight_decay, .step = step });
        return;
    }
    sgd.momentum = way == SGD ? 0 : 0.9;
    sgd.nesterov = way == NESTEROV;
    tern_sgd(ctx, tern_blocks(ctx), scale, sgd);
}

/* The first of the two parameters is the moving average's, too: its offset is 0. */
static tern_tensor average_of_weight(const tern_tensor *average, const tern_tensor *weight)
{
    tern_tensor view = *weight;
    view.data = average->data;
    return view;
}

static double train(tern_ctx *ctx, const tern_safetensors *file, int way)
{
    int every = (int)number(file, "every");
    const double *lr = fixture(file, NULL, "lr");
    const float *grad_weight = fixture(file, NULL, "grad_weight");
    const float *grad_bias = fixture(file, NULL, "grad_bias");
    double worst = 0;

    tern_tensor *weight = tern_param(ctx, "weight", 1, (int64_t[]){ WEIGHTS },
                                     (tern_param_opts){ 0 });
    tern_tensor *bias = tern_param(ctx, "bias", 1, (int64_t[]){ BIASES },
                                   (tern_param_opts){ .no_decay = true });
    tern_params_freeze(ctx);
    tern_write(ctx, weight, TERN_F64, fixture(file, NULL, "weight"));
    tern_write(ctx, bias, TERN_F64, fixture(file, NULL, "bias"));
    tern_step_begin(ctx, 0);
    tern_tensor *average = tern_keep(ctx, tern_blocks(ctx)->value);
    for (int step = 0; step < STEPS; step++) {
        tern_tensor *scale;
        tern_step_begin(ctx, 0);
        tern_write(ctx, weight->grad, TERN_F32, grad_weight + step * WEIGHTS);
        tern_write(ctx, bias->grad, TERN_F32, grad_bias + step * BIASES);
        tern_grad_norm(ctx, tern_blocks(ctx)->grad, &scale,
                       (tern_grad_norm_opts){ .max_norm = number(file, "max_norm") });
        step_of(ctx, way, scale, lr[step], number(file, "weight_decay"), step + 1);
        tern_ema(ctx, average, tern_blocks(ctx)->value,
                 (tern_ema_opts){ .decay = number(file, "ema_decay") });
        assert_tern_ok(ctx);
        if ((step + 1) % every)
            continue;
        int64_t row = step / every;
        worst = fmax(worst, deviation_of(ctx, weight, fixture(file, ways[way], "weight"), row));
        worst = fmax(worst, deviation_of(ctx, bias, fixture(file, ways[way], "bias"), row));
        if (way != ADAM)
            continue;
        tern_tensor view = average_of_weight(average, weight);
        worst = fmax(worst, deviation_of(ctx, &view, fixture(file, "adam", "ema_weight"), row));
    }
    return worst;
}

static void ref_takes_pytorchs_hundred_steps(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    for (int way = 0; way < WAYS; way++) {
        tern_ctx *ctx = open_device("ref", NULL);
        double worst = train(ctx, file, way);
        if (!(worst <= 1e-13))
            fail_msg("%s: relative deviation %g", ways[way], worst);
        tern_ctx_free(ctx);
    }
    tern_safetensors_close(file);
}

/* PyTorch's own float32 deviates from its float64 by so much. */
static double pytorch_float32_deviation(const tern_safetensors *file, const char *way)
{
    const double *exact = fixture(file, way, "weight"), *single = fixture(file, way, "float32_weight");
    double worst = 0;
    for (int row = 0; row < STEPS / 10; row++)
        worst = fmax(worst, deviation(single + row * WEIGHTS, exact + row * WEIGHTS, WEIGHTS));
    return worst;
}

static void every_simd_level_stays_as_near_as_pytorchs_float32(void **state)
{
    (void)state;
    const char *levels[8];
    tern_safetensors *file = open_fixture();
    for (int i = 0, count = tern_simd_levels(levels); i < count; i++)
        for (int way = 0; way < WAYS; way++) {
            tern_ctx *ctx = open_device("cpu", levels[i]);
            double worst = train(ctx, file, way);
            double limit = 3 * pytorch_float32_deviation(file, ways[way]);
            if (!(worst <= limit))
                fail_msg("%s, %s: relative deviation %g, limit %g", levels[i], ways[way], worst,
                         limit);
            tern_ctx_free(ctx);
        }
    tern_safetensors_close(file);
}

static void nesterov_needs_momentum_and_momentum_a_velocity(void **state)
{
    (void)state;
    tern_ctx *ctx = open_device("cpu", NULL);
    tern_param(ctx, "weight", 1, (int64_t[]){ 3 }, (tern_param_opts){ 0 });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    tern_sgd(ctx, tern_blocks(ctx), NULL, (tern_sgd_opts){ .lr = 0.1, .nesterov = true });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "nesterov needs a momentum");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    const tern_param_blocks *blocks = tern_blocks(ctx);
    tern_tensor *inputs[SGD_INPUTS] = { blocks->value, blocks->grad };
    tern_apply(ctx, &tern_op_sgd, inputs, SGD_INPUTS,
               &(tern_sgd_opts){ .lr = 0.1, .momentum = 0.9 }, NULL);
    assert_tern_fails(ctx, TERN_ERR_ARGUMENT, "momentum 0.9 needs a velocity");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_takes_pytorchs_hundred_steps),
        cmocka_unit_test(every_simd_level_stays_as_near_as_pytorchs_float32),
        cmocka_unit_test(nesterov_needs_momentum_and_momentum_a_velocity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
