/* Promises of parameter groups (core/params.h): who is trained alike lies side by side, what
 * is frozen keeps every bit and costs nothing. */
#include "tests/check.h"
#include "tests/grouped_network.h"

#include "core/params.h"
#include "kernels/adamw/adamw.h"
#include "kernels/grad_norm/grad_norm.h"
#include "kernels/linear/linear.h"
#include "kernels/losses/pointwise.h"
#include "kernels/sgd/sgd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- groups -- */

static void initial_values_do_not_depend_on_groups(void **state)
{
    (void)state;
    network plain = network_build("ref", NULL), grouped = network_declare("ref");
    tern_group_params(grouped.ctx, "over", (tern_group_opts){ .lr_scale = 0.1 });
    tern_group_params(grouped.ctx, "under.linear", (tern_group_opts){ .frozen = true });
    tern_params_freeze(grouped.ctx);
    assert_int_equal(tern_blocks(plain.ctx)->group_count, 2);   /* those that decay, or not */
    assert_int_equal(tern_blocks(grouped.ctx)->group_count, 3); /* norm, over's two         */
    for (int i = 0; i < tern_param_count(plain.ctx); i++) {
        double a[HIDDEN * INPUTS], b[HIDDEN * INPUTS];
        const tern_tensor *tensor = tern_param_at(plain.ctx, i);
        network_values(&plain, tensor, a);
        network_values(&grouped, tern_param_at(grouped.ctx, i), b);
        assert_memory_equal(a, b, (size_t)tensor->count * sizeof *a);
    }
    tern_ctx_free(plain.ctx);
    tern_ctx_free(grouped.ctx);
}

/* One step of gradient descent says what rate and decay each parameter has. */
static void each_parameter_has_the_rate_and_decay_of_the_last_calls_that_fit(void **state)
{
    (void)state;
    network n = network_declare("ref");
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
    network_backward(&n);
    for (int i = 0; i < 6; i++)
        network_values(&n, wanted[i].param, before[i]);
    tern_sgd(n.ctx, tern_blocks(n.ctx), NULL, (tern_sgd_opts){ .lr = 0.1, .weight_decay = 0.25 });
    for (int i = 0; i < 6; i++) {
        network_values(&n, wanted[i].param, after);
        network_values(&n, wanted[i].param->grad, grad);
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
        network n = network_declare("cpu");
        tern_group_params(n.ctx, cases[i].pattern, cases[i].opts);
        assert_tern_fails(n.ctx, cases[i].code, cases[i].text);
        tern_ctx_free(n.ctx);
    }
    network n = network_build("cpu", NULL);
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
        network n = network_build(devices[d], "under");
        const tern_tensor *frozen[] = { n.under_weight, n.under_bias, n.gain,
                                        n.shift,        n.mean,       n.variance };
        double before[6][HIDDEN * INPUTS], over[HIDDEN], after[HIDDEN * INPUTS];
        for (int i = 0; i < 6; i++)
            network_values(&n, frozen[i], before[i]);
        network_values(&n, n.over_weight, over);
        tern_average_begin(n.ctx);
        network_train(&n, 5);
        for (int i = 0; i < 6; i++) {
            assert_true(frozen[i]->is_frozen && !frozen[i]->grad);
            network_values(&n, frozen[i], after);
            assert_memory_equal(after, before[i], (size_t)frozen[i]->count * sizeof *after);
        }
        network_values(&n, n.over_weight, after);
        assert_memory_not_equal(after, over, sizeof over);
        tern_ctx_free(n.ctx);
    }
}

/* The same batch, with a norm that is frozen or in inference: the same numbers. */
static void a_frozen_batch_norm_normalises_as_in_inference(void **state)
{
    (void)state;
    network n = network_build("cpu", "under");
    double training[ROWS], inference[ROWS];
    tern_set_training(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), training);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), inference);
    assert_memory_equal(training, inference, sizeof training);
    tern_ctx_free(n.ctx);
}

/* Freezing what lies above changes no gradient below it, to the bit. */
static void the_rest_gets_the_gradient_that_it_had(void **state)
{
    (void)state;
    network free_one = network_build("cpu", NULL), frozen = network_build("cpu", "over");
    const tern_tensor *in_free[] = { free_one.under_weight, free_one.under_bias, free_one.gain },
                      *in_frozen[] = { frozen.under_weight, frozen.under_bias, frozen.gain };
    double a[HIDDEN * INPUTS], b[HIDDEN * INPUTS], sum = 0;
    tern_set_training(free_one.ctx, true);
    tern_set_training(frozen.ctx, true);
    tern_step_begin(free_one.ctx, 0);
    tern_step_begin(frozen.ctx, 0);
    network_backward(&free_one);
    network_backward(&frozen);
    for (int i = 0; i < 3; i++) {
        network_values(&free_one, in_free[i]->grad, a);
        network_values(&frozen, in_frozen[i]->grad, b);
        assert_memory_equal(a, b, (size_t)in_free[i]->count * sizeof *a);
    }
    /* and only it is in the norm */
    for (int i = 0; i < tern_param_count(frozen.ctx); i++) {
        const tern_tensor *grad = tern_param_at(frozen.ctx, i)->grad;
        if (!grad)
            continue;
        network_values(&frozen, grad, a);
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
    network n = network_build("cpu", "under");
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
    network n = network_build("cpu", "*");
    const tern_param_blocks *blocks = tern_blocks(n.ctx);
    assert_int_equal(blocks->grad->count, 0);
    assert_int_equal(blocks->group_count, 0);
    tern_step_begin(n.ctx, 0);
    double before[HIDDEN], after[HIDDEN];
    network_values(&n, n.over_weight, before);
    tern_adamw(n.ctx, blocks, NULL, (tern_adamw_opts){ .lr = 1, .weight_decay = 1, .step = 1 });
    network_values(&n, n.over_weight, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(tern_param_slice(n.ctx, 0, TERN_BLOCK_MOMENT1).count, 0);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
