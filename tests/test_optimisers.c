/* Promises of the optimisers: a hundred steps as torch.optim takes them, with groups,
 * clipping and a moving average (tests/fixtures/make_optimisers.py), through the same
 * tern_optimiser_step that training calls; and the same bits for any number of threads. */
#include "tests/check.h"

#include "core/params.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/sgd/sgd.h"
#include "kernels/table.h"
#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE "tests/fixtures/optimisers.safetensors"

enum { WEIGHTS = 5, BIASES = 3, SLOW = 4, FROZEN = 2, RUNNING = 2, STEPS = 100, MOST = 8 };

/* What differs between the ways of training; the rest is the same for all. */
typedef struct setting {
    const char *name;
    tern_optimiser optimiser;
} setting;

static const setting ways[] = {
    { "sgd", { .kind = TERN_OPTIMISER_SGD } },
    { "momentum", { .kind = TERN_OPTIMISER_SGD, .momentum = 0.9 } },
    { "nesterov", { .kind = TERN_OPTIMISER_SGD, .momentum = 0.9, .nesterov = true } },
    { "adam", { .kind = TERN_OPTIMISER_ADAM } },
    { "adam_short", { .kind = TERN_OPTIMISER_ADAM, .beta1 = 0.6, .beta2 = 0.8, .eps = 1e-3 } },
    { "adamw", { .kind = TERN_OPTIMISER_ADAMW } },
    { "adamw_short", { .kind = TERN_OPTIMISER_ADAMW, .beta1 = 0.6, .beta2 = 0.8, .eps = 1e-3 } },
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static tern_ctx *open_device(const char *device, const char *simd, int threads)
{
    tern_error error = { 0 };
    tern_ctx *ctx = tern_open((tern_ctx_opts){ .device = device, .simd = simd, .threads = threads },
                              &error);
    if (!ctx)
        fail_msg("%s", error.message);
    return ctx;
}

/* -------------------------------------------------------------- fixture -- */

static tern_safetensors *open_fixture(void)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(FIXTURE, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

static const void *fixture(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *stored = tern_safetensors_find(file, name, &error);
    if (!stored)
        fail_msg("%s", error.message);
    return stored->data;
}

static double number(const tern_safetensors *file, const char *key)
{
    return atof(tern_safetensors_metadata(file, key));
}

/* The largest difference, relative to the largest value wanted. */
static double deviation(const double *got, const double *wanted, int64_t count)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(wanted[i]));
        worst = fmax(worst, fabs(got[i] - wanted[i]));
    }
    return worst / largest;
}

/* Of a tensor from its row in the fixture. */
static double deviation_of(tern_ctx *ctx, const tern_safetensors *file, const char *way_name,
                           const char *name, const tern_tensor *tensor, int64_t row)
{
    char full[64];
    double got[MOST];
    assert_in_range(tensor->count, 1, MOST);
    snprintf(full, sizeof full, "%s.%s", way_name, name);
    tern_read(ctx, tensor, TERN_F64, got);
    return deviation(got, (const double *)fixture(file, full) + row * tensor->count, tensor->count);
}

/* ------------------------------------------------------------- training -- */

typedef struct model {
    tern_tensor *weight, *bias, *slow, *frozen, *running;
} model;
enum { WEIGHT_INDEX = 0, SLOW_INDEX = 3 }; /* in the order of declaration */

static model declare(tern_ctx *ctx, const tern_safetensors *file)
{
    model m;
    m.weight = tern_param(ctx, "weight", 1, (int64_t[]){ WEIGHTS }, (tern_param_opts){ 0 });
    m.frozen = tern_param(ctx, "frozen", 1, (int64_t[]){ FROZEN }, (tern_param_opts){ 0 });
    m.bias = tern_param(ctx, "bias", 1, (int64_t[]){ BIASES },
                        (tern_param_opts){ .no_decay = true });
    m.slow = tern_param(ctx, "slow", 1, (int64_t[]){ SLOW }, (tern_param_opts){ 0 });
    m.running = tern_state(ctx, "running", 1, (int64_t[]){ RUNNING }, 1);
    tern_group_params(ctx, "slow", (tern_group_opts){ .lr_scale = number(file, "lr_scale"),
                                                      .weight_decay = number(file, "slow_decay"),
                                                      .has_weight_decay = true });
    tern_group_params(ctx, "frozen", (tern_group_opts){ .frozen = true });
    tern_params_freeze(ctx);
    tern_write(ctx, m.weight, TERN_F64, fixture(file, "weight"));
    tern_write(ctx, m.bias, TERN_F64, fixture(file, "bias"));
    tern_write(ctx, m.slow, TERN_F64, fixture(file, "slow"));
    tern_write(ctx, m.frozen, TERN_F64, fixture(file, "frozen"));
    tern_average_begin(ctx);
    return m;
}

/* A row of the fixture to a tensor. */
static void give(tern_tensor *tensor, const tern_safetensors *file, const char *name, int step)
{
    const float *rows = fixture(file, name);
    tern_write(tensor->ctx, tensor, TERN_F32, rows + step * tensor->count);
}

static void give_gradients(const tern_safetensors *file, const model *m, int step)
{
    give(m->weight->grad, file, "grad_weight", step);
    give(m->bias->grad, file, "grad_bias", step);
    give(m->slow->grad, file, "grad_slow", step);
    give(m->running, file, "buffer", step);
}

/* The largest deviation of all that the row holds. */
static double deviation_of_row(tern_ctx *ctx, const tern_safetensors *file, const setting *way,
                               const model *m, int64_t row)
{
    static const tern_block blocks[] = { TERN_BLOCK_VALUE, TERN_BLOCK_MOMENT1, TERN_BLOCK_MOMENT2 };
    const struct {
        const char *name;
        tern_tensor tensor;
    } parts[] = {
        { "weight", *m->weight },
        { "bias", *m->bias },
        { "slow", *m->slow },
        { "ema.weight", tern_param_slice(ctx, WEIGHT_INDEX, TERN_BLOCK_AVERAGE) },
        { "ema.slow", tern_param_slice(ctx, SLOW_INDEX, TERN_BLOCK_AVERAGE) },
        { "ema.running", tern_state_average(ctx, 0) },
    };
    double worst = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        worst = fmax(worst, deviation_of(ctx, file, way->name, parts[i].name, &parts[i].tensor,
                                         row));
    for (int which = 1; which <= 2; which++) {
        char name[64];
        const char *memory = tern_optimiser_memory(&way->optimiser, which);
        int param = which == 1 ? WEIGHT_INDEX : SLOW_INDEX;
        snprintf(name, sizeof name, "%s.%s", memory, which == 1 ? "weight" : "slow");
        const tern_tensor slice = tern_param_slice(ctx, param, blocks[which]);
        if (memory)
            worst = fmax(worst, deviation_of(ctx, file, way->name, name, &slice, row));
    }
    return worst;
}

static double train(tern_ctx *ctx, const tern_safetensors *file, const setting *way,
                    double norm_tolerance)
{
    int every = (int)number(file, "every");
    const double *lr = fixture(file, "lr"), *norms = fixture(file, "norms");
    const model m = declare(ctx, file);
    tern_optimiser optimiser = way->optimiser;
    double worst = 0, frozen[FROZEN];
    optimiser.weight_decay = number(file, "weight_decay");
    optimiser.clip = number(file, "max_norm");
    optimiser.ema = number(file, "ema");
    for (int step = 0; step < STEPS; step++) {
        tern_step_begin(ctx, 0);
        give_gradients(file, &m, step);
        tern_tensor *norm =
            tern_grad_norm(ctx, tern_blocks(ctx)->grad, NULL, (tern_grad_norm_opts){ 0 });
        assert_float_equal(tern_read_scalar(ctx, norm) / norms[step], 1, norm_tolerance);
        tern_optimiser_step(ctx, &optimiser, lr[step], step + 1);
        assert_tern_ok(ctx);
        if ((step + 1) % every == 0)
            worst = fmax(worst, deviation_of_row(ctx, file, way, &m, step / every));
    }
    tern_read(ctx, m.frozen, TERN_F64, frozen);
    assert_float_equal(deviation(frozen, fixture(file, "frozen"), FROZEN), 0, 1e-7);
    return worst;
}

static void ref_takes_pytorchs_hundred_steps(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    for (int i = 0; i < WAYS; i++) {
        tern_ctx *ctx = open_device("ref", NULL, 1);
        double worst = train(ctx, file, &ways[i], 1e-14);
        if (!(worst <= 1e-13))
            fail_msg("%s: relative deviation %g", ways[i].name, worst);
        tern_ctx_free(ctx);
    }
    tern_safetensors_close(file);
}

static void every_simd_level_stays_as_near_as_pytorchs_float32(void **state)
{
    (void)state;
    const char *levels[8];
    tern_safetensors *file = open_fixture();
    for (int i = 0, count = tern_simd_levels(levels); i < count; i++)
        for (int w = 0; w < WAYS; w++) {
            tern_ctx *ctx = open_device("cpu", levels[i], 1);
            double worst = train(ctx, file, &ways[w], 1e-6);
            char key[64];
            snprintf(key, sizeof key, "%s_float32", ways[w].name); /* PyTorch's own deviation */
            double limit = 3 * number(file, key);
            if (!(worst <= limit))
                fail_msg("%s, %s: relative deviation %g, limit %g", levels[i], ways[w].name, worst,
                         limit);
            tern_ctx_free(ctx);
        }
    tern_safetensors_close(file);
}

/* -------------------------------------------------------------- threads -- */

enum { MANY = 100003, BLOCKS = 4 };

static float *normal_values(uint32_t stream, double scale)
{
    float *values = malloc(MANY * sizeof *values);
    tern_rng rng = tern_rng_make(3, TERN_STREAM_TEST, stream);
    assert_non_null(values);
    for (int i = 0; i < MANY; i++)
        values[i] = (float)(scale * tern_rng_normal(&rng));
    return values;
}

/* What three clipped steps leave in the blocks, for two groups whose sizes no tile fits. */
static float *three_steps(const tern_optimiser *optimiser, int threads)
{
    static const tern_block blocks[BLOCKS] = { TERN_BLOCK_VALUE, TERN_BLOCK_MOMENT1,
                                               TERN_BLOCK_MOMENT2, TERN_BLOCK_AVERAGE };
    float *result = malloc(2 * BLOCKS * MANY * sizeof *result), *start = normal_values(0, 1);
    tern_ctx *ctx = open_device("cpu", NULL, threads);
    tern_tensor *params[2];
    assert_non_null(result);
    params[0] = tern_param(ctx, "weight", 1, (int64_t[]){ MANY }, (tern_param_opts){ 0 });
    params[1] = tern_param(ctx, "bias", 1, (int64_t[]){ MANY },
                           (tern_param_opts){ .no_decay = true });
    tern_params_freeze(ctx);
    tern_write(ctx, params[0], TERN_F32, start);
    tern_average_begin(ctx);
    for (int step = 1; step <= 3; step++) {
        tern_step_begin(ctx, 0);
        for (int i = 0; i < 2; i++) {
            float *grad = normal_values((uint32_t)(2 * step + i), 0.01);
            tern_write(ctx, params[i]->grad, TERN_F32, grad);
            free(grad);
        }
        tern_optimiser_step(ctx, optimiser, 0.1, step);
    }
    for (int i = 0; i < 2 * BLOCKS; i++) {
        tern_tensor slice = tern_param_slice(ctx, i / BLOCKS, blocks[i % BLOCKS]);
        tern_read(ctx, &slice, TERN_F32, result + (size_t)i * MANY);
    }
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    free(start);
    return result;
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        tern_optimiser optimiser = ways[i].optimiser;
        optimiser.clip = 1;
        optimiser.weight_decay = 0.1;
        optimiser.ema = 0.9;
        float *one = three_steps(&optimiser, 1), *two = three_steps(&optimiser, 2);
        assert_memory_equal(one, two, 2 * BLOCKS * MANY * sizeof *one);
        free(one);
        free(two);
    }
}

/* --------------------------------------------------------------- errors -- */

static tern_ctx *with_three_weights(void)
{
    tern_ctx *ctx = open_device("cpu", NULL, 1);
    tern_param(ctx, "weight", 1, (int64_t[]){ 3 }, (tern_param_opts){ 0 });
    tern_params_freeze(ctx);
    tern_step_begin(ctx, 0);
    return ctx;
}

static void nesterov_needs_momentum_and_momentum_a_velocity(void **state)
{
    (void)state;
    tern_ctx *ctx = with_three_weights();
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

static void adam_must_be_told_the_step(void **state)
{
    (void)state;
    tern_ctx *ctx = with_three_weights();
    tern_adamw(ctx, tern_blocks(ctx), NULL, (tern_adamw_opts){ .lr = 0.1 });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "step is 0");
    tern_ctx_free(ctx);
}

static void blocks_of_another_size_are_refused_by_all(void **state)
{
    (void)state;
    tern_ctx *ctx = with_three_weights();
    for (int i = 0; i < 2; i++) {
        const float zeros[4] = { 0 };
        tern_param_blocks blocks = *tern_blocks(ctx);
        tern_param_group group = blocks.groups[0];
        blocks.groups = &group;
        group.grad = tern_input(ctx, "other", TERN_F32, 1, (int64_t[]){ 4 }, zeros);
        if (i)
            tern_sgd(ctx, &blocks, NULL, (tern_sgd_opts){ .lr = 0.1 });
        else
            tern_adamw(ctx, &blocks, NULL, (tern_adamw_opts){ .lr = 0.1, .step = 1 });
        assert_tern_fails(ctx, TERN_ERR_SHAPE, "grad [4] must have the shape of value [16]");
        tern_clear_error(ctx);
        tern_step_begin(ctx, 0);
    }
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_takes_pytorchs_hundred_steps),
        cmocka_unit_test(every_simd_level_stays_as_near_as_pytorchs_float32),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(nesterov_needs_momentum_and_momentum_a_velocity),
        cmocka_unit_test(adam_must_be_told_the_step),
        cmocka_unit_test(blocks_of_another_size_are_refused_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
