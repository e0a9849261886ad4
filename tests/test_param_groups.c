/* Promises of parameter groups and of the moving average (core/params.h): who is trained
 * alike lies side by side, what is frozen keeps every bit and costs nothing, and the
 * average can be looked at without losing the weights. */
#include "tests/check.h"

#include "core/params.h"
#include "core/rng.h"
#include "kernels/adamw/adamw.h"
#include "kernels/batch_norm/batch_norm.h"
#include "kernels/ema/ema.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/linear/linear.h"
#include "kernels/losses/pointwise.h"
#include "kernels/sgd/sgd.h"
#include "kernels/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, INPUTS = 5, HIDDEN = 7 };

/* x -> under.linear -> under.norm -> over.linear -> y */
typedef struct network {
    tern_ctx *ctx;
    tern_tensor *under_weight, *under_bias, *gain, *shift, *mean, *variance;
    tern_tensor *over_weight, *over_bias;
} network;

static network declare(const char *device)
{
    static const int64_t under[] = { HIDDEN, INPUTS }, over[] = { 1, HIDDEN };
    static const tern_param_opts weight = { .init = { .kind = TERN_INIT_NORMAL, .scale = 0.5 } };
    static const tern_param_opts bias = { .init = { .kind = TERN_INIT_NORMAL, .scale = 0.5 },
                                          .no_decay = true };
    tern_error error = { 0 };
    network n = { .ctx = tern_open((tern_ctx_opts){ .device = device, .threads = 1 }, &error) };
    if (!n.ctx)
        fail_msg("%s", error.message);
    n.under_bias = tern_param(n.ctx, "under.linear.bias", 1, under, bias);
    n.under_weight = tern_param(n.ctx, "under.linear.weight", 2, under, weight);
    n.gain = tern_param(n.ctx, "under.norm.weight", 1, under, bias);
    n.shift = tern_param(n.ctx, "under.norm.bias", 1, under, bias);
    n.mean = tern_state(n.ctx, "under.norm.running_mean", 1, under, 0.25);
    n.variance = tern_state(n.ctx, "under.norm.running_var", 1, under, 2);
    n.over_weight = tern_param(n.ctx, "over.linear.weight", 2, over, weight);
    n.over_bias = tern_param(n.ctx, "over.linear.bias", 1, over, bias);
    return n;
}

static network build(const char *device, const char *frozen)
{
    network n = declare(device);
    if (frozen)
        tern_group_params(n.ctx, frozen, (tern_group_opts){ .frozen = true });
    tern_params_freeze(n.ctx);
    assert_tern_ok(n.ctx);
    return n;
}

static tern_tensor *forward(const network *n)
{
    double x[ROWS * INPUTS];
    tern_rng rng = tern_rng_make(5, TERN_STREAM_TEST, 1);
    for (int i = 0; i < ROWS * INPUTS; i++)
        x[i] = tern_rng_normal(&rng);
    tern_tensor *in = tern_input(n->ctx, "x", TERN_F64, 2, (int64_t[]){ ROWS, INPUTS }, x);
    tern_tensor *hidden =
        tern_linear(n->ctx, in, n->under_weight, n->under_bias, (tern_linear_opts){ 0 });
    hidden = tern_batch_norm(n->ctx, hidden, n->gain, n->shift, n->mean, n->variance, NULL,
                             (tern_batch_norm_opts){ .activation = TERN_ACT_RELU });
    return tern_linear(n->ctx, hidden, n->over_weight, n->over_bias, (tern_linear_opts){ 0 });
}

static void backward(const network *n)
{
    static const double target[ROWS] = { 1, -1, 2, 0, 3, -2 };
    tern_tensor *y = forward(n);
    tern_tensor *wanted = tern_input(n->ctx, "target", TERN_F64, 2, (int64_t[]){ ROWS, 1 }, target);
    tern_backward(n->ctx, tern_mse(n->ctx, y, wanted, NULL, (tern_loss_opts){ 0 }));
    assert_tern_ok(n->ctx);
}

static void train(const network *n, int steps)
{
    tern_set_training(n->ctx, true);
    for (int step = 1; step <= steps; step++) {
        tern_tensor *scale;
        tern_step_begin(n->ctx, 0);
        backward(n);
        const tern_param_blocks *blocks = tern_blocks(n->ctx);
        tern_grad_norm(n->ctx, blocks->grad, &scale, (tern_grad_norm_opts){ .max_norm = 0.5 });
        tern_adamw(n->ctx, blocks, scale, (tern_adamw_opts){ .lr = 0.1, .weight_decay = 0.1,
                                                             .step = step });
        if (blocks->average) {
            tern_ema(n->ctx, blocks->average, blocks->value, (tern_ema_opts){ .decay = 0.5 });
            tern_ema(n->ctx, blocks->state_average, blocks->state, (tern_ema_opts){ .decay = 0.5 });
        }
        assert_tern_ok(n->ctx);
    }
}

static void values_of(const network *n, const tern_tensor *tensor, double *values)
{
    tern_read(n->ctx, tensor, TERN_F64, values);
    assert_tern_ok(n->ctx);
}

/* --------------------------------------------------------------- groups -- */

static void initial_values_do_not_depend_on_groups(void **state)
{
    (void)state;
    network plain = build("ref", NULL), grouped = declare("ref");
    tern_group_params(grouped.ctx, "over", (tern_group_opts){ .lr_scale = 0.1 });
    tern_group_params(grouped.ctx, "under.linear", (tern_group_opts){ .frozen = true });
    tern_params_freeze(grouped.ctx);
    assert_int_equal(tern_blocks(plain.ctx)->group_count, 2);   /* those that decay, or not */
    assert_int_equal(tern_blocks(grouped.ctx)->group_count, 3); /* norm, over's two         */
    for (int i = 0; i < tern_param_count(plain.ctx); i++) {
        double a[HIDDEN * INPUTS], b[HIDDEN * INPUTS];
        const tern_tensor *tensor = tern_param_at(plain.ctx, i);
        values_of(&plain, tensor, a);
        values_of(&grouped, tern_param_at(grouped.ctx, i), b);
        assert_memory_equal(a, b, (size_t)tensor->count * sizeof *a);
    }
    tern_ctx_free(plain.ctx);
    tern_ctx_free(grouped.ctx);
}

/* One step of gradient descent says what rate and decay each parameter has. */
static void each_parameter_has_the_rate_and_decay_of_the_last_calls_that_fit(void **state)
{
    (void)state;
    network n = declare("ref");
    tern_group_params(n.ctx, "*.weight", (tern_group_opts){ .lr_scale = 3 });
    tern_group_params(n.ctx, "over", (tern_group_opts){ .lr_scale = 2, .has_weight_decay = true });
    tern_group_params(n.ctx, "over.linear.weight", (tern_group_opts){ .has_weight_decay = true,
                                                                      .weight_decay = 0.5 });
    tern_params_freeze(n.ctx);
    const struct {
        const tern_tensor *param;
        double scale, decay;
    } wanted[] = {
        { n.under_weight, 3, 0.25 }, { n.under_bias, 1, 0 }, { n.gain, 3, 0 }, { n.shift, 1, 0 },
        { n.over_weight, 2, 0.5 },   { n.over_bias, 2, 0 },
    };
    double before[6][HIDDEN * INPUTS], after[HIDDEN * INPUTS], grad[HIDDEN * INPUTS];
    tern_set_training(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    backward(&n);
    for (int i = 0; i < 6; i++)
        values_of(&n, wanted[i].param, before[i]);
    tern_sgd(n.ctx, tern_blocks(n.ctx), NULL, (tern_sgd_opts){ .lr = 0.1, .weight_decay = 0.25 });
    for (int i = 0; i < 6; i++) {
        values_of(&n, wanted[i].param, after);
        values_of(&n, wanted[i].param->grad, grad);
        for (int64_t k = 0; k < wanted[i].param->count; k++) {
            double right = before[i][k] -
                           0.1 * wanted[i].scale * (grad[k] + wanted[i].decay * before[i][k]);
            assert_float_equal(after[k], right, 1e-15);
        }
    }
    tern_ctx_free(n.ctx);
}

static void groups_that_make_no_sense_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        tern_group_opts opts;
        tern_status code;
        const char *text;
    } cases[] = {
        { "undre", { .frozen = true }, TERN_ERR_ARGUMENT,
          "no parameter's name fits undre, did you mean under?" },
        { "under.linaer", { .frozen = true }, TERN_ERR_ARGUMENT, "did you mean under.linear?" },
        { "zebra", { .frozen = true }, TERN_ERR_ARGUMENT, "no parameter's name fits zebra" },
        { "under.lin", { .frozen = true }, TERN_ERR_ARGUMENT, "did you mean" },
        { "under", { .lr_scale = -1 }, TERN_ERR_OPTION, "lr_scale -1" },
        { "under", { .has_weight_decay = true, .weight_decay = NAN }, TERN_ERR_OPTION,
          "must not be negative" },
        { "*.bias", { .has_weight_decay = true, .weight_decay = 1 }, TERN_ERR_OPTION,
          "weight decay of *.bias: biases, norms and embeddings never decay" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        network n = declare("cpu");
        tern_group_params(n.ctx, cases[i].pattern, cases[i].opts);
        assert_tern_fails(n.ctx, cases[i].code, cases[i].text);
        tern_ctx_free(n.ctx);
    }
    network n = build("cpu", NULL);
    tern_group_params(n.ctx, "under", (tern_group_opts){ .frozen = true });
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "after tern_params_freeze");
    tern_ctx_free(n.ctx);
}

/* --------------------------------------------------------------- frozen -- */

static void frozen_parameters_and_their_state_keep_every_bit(void **state)
{
    (void)state;
    static const char *const devices[] = { "ref", "cpu" };
    for (int d = 0; d < 2; d++) {
        network n = build(devices[d], "under");
        const tern_tensor *frozen[] = { n.under_weight, n.under_bias, n.gain,
                                        n.shift,        n.mean,       n.variance };
        double before[6][HIDDEN * INPUTS], over[HIDDEN], after[HIDDEN * INPUTS];
        for (int i = 0; i < 6; i++)
            values_of(&n, frozen[i], before[i]);
        values_of(&n, n.over_weight, over);
        tern_average_begin(n.ctx);
        train(&n, 5);
        for (int i = 0; i < 6; i++) {
            assert_true(frozen[i]->is_frozen && !frozen[i]->grad);
            values_of(&n, frozen[i], after);
            assert_memory_equal(after, before[i], (size_t)frozen[i]->count * sizeof *after);
        }
        values_of(&n, n.over_weight, after);
        assert_memory_not_equal(after, over, sizeof over);
        tern_ctx_free(n.ctx);
    }
}

/* The same batch, with a norm that is frozen or in inference: the same numbers. */
static void a_frozen_batch_norm_normalises_as_in_inference(void **state)
{
    (void)state;
    network n = build("cpu", "under");
    double training[ROWS], inference[ROWS];
    tern_set_training(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), training);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), inference);
    assert_memory_equal(training, inference, sizeof training);
    tern_ctx_free(n.ctx);
}

/* Freezing what lies above changes no gradient below it, to the bit. */
static void the_rest_gets_the_gradient_that_it_had(void **state)
{
    (void)state;
    network free_one = build("cpu", NULL), frozen = build("cpu", "over");
    const tern_tensor *in_free[] = { free_one.under_weight, free_one.under_bias, free_one.gain },
                      *in_frozen[] = { frozen.under_weight, frozen.under_bias, frozen.gain };
    double a[HIDDEN * INPUTS], b[HIDDEN * INPUTS], sum = 0;
    tern_set_training(free_one.ctx, true);
    tern_set_training(frozen.ctx, true);
    tern_step_begin(free_one.ctx, 0);
    tern_step_begin(frozen.ctx, 0);
    backward(&free_one);
    backward(&frozen);
    for (int i = 0; i < 3; i++) {
        values_of(&free_one, in_free[i]->grad, a);
        values_of(&frozen, in_frozen[i]->grad, b);
        assert_memory_equal(a, b, (size_t)in_free[i]->count * sizeof *a);
    }
    /* and only it is in the norm */
    for (int i = 0; i < tern_param_count(frozen.ctx); i++) {
        const tern_tensor *grad = tern_param_at(frozen.ctx, i)->grad;
        if (!grad)
            continue;
        values_of(&frozen, grad, a);
        for (int64_t k = 0; k < grad->count; k++)
            sum += a[k] * a[k];
    }
    const tern_tensor *norm = tern_grad_norm(frozen.ctx, tern_blocks(frozen.ctx)->grad, NULL,
                                             (tern_grad_norm_opts){ 0 });
    assert_float_equal(tern_read_scalar(frozen.ctx, norm) / sqrt(sum), 1, 1e-6);
    tern_ctx_free(free_one.ctx);
    tern_ctx_free(frozen.ctx);
}

static void what_only_frozen_parameters_lead_to_is_not_recorded(void **state)
{
    (void)state;
    network n = build("cpu", "under");
    tern_set_training(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    double x[ROWS * INPUTS] = { 0 };
    tern_tensor *in = tern_input(n.ctx, "x", TERN_F64, 2, (int64_t[]){ ROWS, INPUTS }, x);
    tern_tensor *hidden =
        tern_linear(n.ctx, in, n.under_weight, n.under_bias, (tern_linear_opts){ 0 });
    assert_false(hidden->requires_grad);
    tern_backward(n.ctx, tern_mse(n.ctx, hidden, hidden, NULL, (tern_loss_opts){ 0 }));
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "are there parameters that are not frozen?");
    tern_ctx_free(n.ctx);
}

static void frozen_parameters_take_no_room_in_the_other_blocks(void **state)
{
    (void)state;
    network n = build("cpu", "*");
    const tern_param_blocks *blocks = tern_blocks(n.ctx);
    assert_int_equal(blocks->grad->count, 0);
    assert_int_equal(blocks->group_count, 0);
    tern_step_begin(n.ctx, 0);
    double before[HIDDEN], after[HIDDEN];
    values_of(&n, n.over_weight, before);
    tern_adamw(n.ctx, blocks, NULL, (tern_adamw_opts){ .lr = 1, .weight_decay = 1, .step = 1 });
    values_of(&n, n.over_weight, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(tern_param_slice(n.ctx, 0, TERN_BLOCK_MOMENT1).count, 0);
    tern_ctx_free(n.ctx);
}

/* -------------------------------------------------------------- average -- */

/* A network whose weights and state are the averages of another. */
static network copy_of_averages(const network *n)
{
    network copy = build("cpu", NULL);
    double values[HIDDEN * INPUTS];
    tern_average_use(n->ctx, true);
    for (int i = 0; i < tern_param_count(n->ctx); i++) {
        values_of(n, tern_param_at(n->ctx, i), values);
        tern_write(copy.ctx, tern_param_at(copy.ctx, i), TERN_F64, values);
    }
    for (int i = 0; i < tern_state_count(n->ctx); i++) {
        values_of(n, tern_state_at(n->ctx, i), values);
        tern_write(copy.ctx, tern_state_at(copy.ctx, i), TERN_F64, values);
    }
    tern_average_use(n->ctx, false);
    assert_tern_ok(copy.ctx);
    return copy;
}

/* Nothing that a kernel made of the weights may serve for the averages, or the reverse. */
static void inference_is_by_what_is_in_use_at_the_time(void **state)
{
    (void)state;
    network n = build("cpu", NULL);
    double own[ROWS], average[ROWS], again[ROWS], right[ROWS];
    tern_average_begin(n.ctx);
    train(&n, 3);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), own);
    tern_average_use(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), average);
    tern_average_use(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), again);
    network copy = copy_of_averages(&n);
    tern_step_begin(copy.ctx, 0);
    values_of(&copy, forward(&copy), right);
    assert_memory_equal(average, right, sizeof average);
    assert_memory_equal(again, own, sizeof again);
    assert_memory_not_equal(own, average, sizeof own);
    tern_ctx_free(copy.ctx);
    tern_ctx_free(n.ctx);
}

/* A step before the average begins, so that it is not the initial values by chance. */
static void the_average_is_used_in_place_of_the_weights_and_leaves_them(void **state)
{
    (void)state;
    network n = build("cpu", "under.linear.bias");
    double begun[HIDDEN], own[HIDDEN], average[HIDDEN], mean[HIDDEN], mean_average[HIDDEN];
    double y_own[ROWS], y_average[ROWS], y[ROWS], bias[HIDDEN], bias_average[HIDDEN];
    train(&n, 1);
    values_of(&n, n.over_weight, begun);
    tern_average_begin(n.ctx);
    tern_average_use(n.ctx, true);
    values_of(&n, n.over_weight, average);
    assert_memory_equal(average, begun, sizeof begun);
    tern_average_use(n.ctx, false);

    train(&n, 1);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    values_of(&n, n.over_weight, own);
    values_of(&n, n.mean, mean);
    values_of(&n, n.under_bias, bias);
    values_of(&n, forward(&n), y_own);
    tern_average_use(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    values_of(&n, n.over_weight, average);
    values_of(&n, n.mean, mean_average);
    values_of(&n, n.under_bias, bias_average);
    values_of(&n, forward(&n), y_average);
    tern_average_use(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    values_of(&n, forward(&n), y);

    for (int i = 0; i < HIDDEN; i++)
        assert_float_equal(average[i], (begun[i] + own[i]) / 2, 1e-6);
    assert_memory_not_equal(mean_average, mean, sizeof mean);
    assert_memory_equal(bias_average, bias, sizeof bias); /* frozen: its own average */
    assert_memory_not_equal(y_average, y_own, sizeof y);
    assert_memory_equal(y, y_own, sizeof y);
    tern_ctx_free(n.ctx);
}

static void the_average_may_begin_anew_and_must_not_be_trained(void **state)
{
    (void)state;
    network n = build("cpu", NULL);
    double own[HIDDEN], average[HIDDEN];
    assert_int_equal(tern_param_slice(n.ctx, 0, TERN_BLOCK_AVERAGE).count, 0);
    tern_average_begin(n.ctx);
    size_t bytes = tern_memory(n.ctx).param_bytes;
    train(&n, 3);
    tern_average_begin(n.ctx);
    assert_int_equal(tern_memory(n.ctx).param_bytes, bytes);
    values_of(&n, n.over_weight, own);
    tern_average_use(n.ctx, true);
    values_of(&n, n.over_weight, average);
    assert_memory_equal(average, own, sizeof own);
    tern_step_begin(n.ctx, 0);
    tern_backward(n.ctx, forward(&n));
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "while parameters hold their averages");
    tern_ctx_free(n.ctx);

    n = build("cpu", NULL);
    tern_average_use(n.ctx, true);
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "no average before tern_average_begin");
    tern_ctx_free(n.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values_do_not_depend_on_groups),
        cmocka_unit_test(each_parameter_has_the_rate_and_decay_of_the_last_calls_that_fit),
        cmocka_unit_test(groups_that_make_no_sense_are_errors),
        cmocka_unit_test(frozen_parameters_and_their_state_keep_every_bit),
        cmocka_unit_test(a_frozen_batch_norm_normalises_as_in_inference),
        cmocka_unit_test(the_rest_gets_the_gradient_that_it_had),
        cmocka_unit_test(what_only_frozen_parameters_lead_to_is_not_recorded),
        cmocka_unit_test(frozen_parameters_take_no_room_in_the_other_blocks),
        cmocka_unit_test(the_average_is_used_in_place_of_the_weights_and_leaves_them),
        cmocka_unit_test(inference_is_by_what_is_in_use_at_the_time),
        cmocka_unit_test(the_average_may_begin_anew_and_must_not_be_trained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
