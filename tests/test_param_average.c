/* Promises of the moving average of parameters (core/params.h): it is looked at and used
 * without losing the weights. */
#include "tests/check.h"
#include "tests/grouped_network.h"

#include "core/params.h"

#include <string.h>

/* A network whose weights and state are the averages of another. */
static network copy_of_averages(const network *n)
{
    network copy = network_build("cpu", NULL);
    double values[HIDDEN * INPUTS];
    tern_average_use(n->ctx, true);
    for (int i = 0; i < tern_param_count(n->ctx); i++) {
        network_values(n, tern_param_at(n->ctx, i), values);
        tern_write(copy.ctx, tern_param_at(copy.ctx, i), TERN_F64, values);
    }
    for (int i = 0; i < tern_state_count(n->ctx); i++) {
        network_values(n, tern_state_at(n->ctx, i), values);
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
    network n = network_build("cpu", NULL);
    double own[ROWS], average[ROWS], again[ROWS], right[ROWS];
    tern_average_begin(n.ctx);
    network_train(&n, 3);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), own);
    tern_average_use(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), average);
    tern_average_use(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), again);
    network copy = copy_of_averages(&n);
    tern_step_begin(copy.ctx, 0);
    network_values(&copy, network_forward(&copy), right);
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
    network n = network_build("cpu", "under.linear.bias");
    double begun[HIDDEN], own[HIDDEN], average[HIDDEN], mean[HIDDEN], mean_average[HIDDEN];
    double y_own[ROWS], y_average[ROWS], y[ROWS], bias[HIDDEN], bias_average[HIDDEN];
    network_train(&n, 1);
    network_values(&n, n.over_weight, begun);
    tern_average_begin(n.ctx);
    tern_average_use(n.ctx, true);
    network_values(&n, n.over_weight, average);
    assert_memory_equal(average, begun, sizeof begun);
    tern_average_use(n.ctx, false);

    network_train(&n, 1);
    tern_set_training(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    network_values(&n, n.over_weight, own);
    network_values(&n, n.mean, mean);
    network_values(&n, n.under_bias, bias);
    network_values(&n, network_forward(&n), y_own);
    tern_average_use(n.ctx, true);
    tern_step_begin(n.ctx, 0);
    network_values(&n, n.over_weight, average);
    network_values(&n, n.mean, mean_average);
    network_values(&n, n.under_bias, bias_average);
    network_values(&n, network_forward(&n), y_average);
    tern_average_use(n.ctx, false);
    tern_step_begin(n.ctx, 0);
    network_values(&n, network_forward(&n), y);

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
    network n = network_build("cpu", NULL);
    double own[HIDDEN], average[HIDDEN];
    assert_int_equal(tern_param_slice(n.ctx, 0, TERN_BLOCK_AVERAGE).count, 0);
    tern_average_begin(n.ctx);
    size_t bytes = tern_memory(n.ctx).param_bytes;
    network_train(&n, 3);
    tern_average_begin(n.ctx);
    assert_int_equal(tern_memory(n.ctx).param_bytes, bytes);
    network_values(&n, n.over_weight, own);
    tern_average_use(n.ctx, true);
    network_values(&n, n.over_weight, average);
    assert_memory_equal(average, own, sizeof own);
    tern_step_begin(n.ctx, 0);
    tern_backward(n.ctx, network_forward(&n));
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "while parameters hold their averages");
    tern_ctx_free(n.ctx);

    n = network_build("cpu", NULL);
    tern_average_use(n.ctx, true);
    assert_tern_fails(n.ctx, TERN_ERR_STATE, "no average before tern_average_begin");
    tern_ctx_free(n.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_is_used_in_place_of_the_weights_and_leaves_them),
        cmocka_unit_test(inference_is_by_what_is_in_use_at_the_time),
        cmocka_unit_test(the_average_may_begin_anew_and_must_not_be_trained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
