/* Promises of the losses that the tests of all ops cannot see: what is padding is not
 * looked at, great scores lose neither range nor digits, and large problems, in which
 * there are many tiles, follow ref. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/losses/focal.h"
#include "kernels/losses/pointwise.h"
#include "tests/against_ref.h"

static const char *const devices[] = { "ref", "cpu" };

enum { ROWS = 3, CLASSES = 4 };
static const int64_t matrix[] = { ROWS, CLASSES }, rows[] = { ROWS };

static tern_tensor *leaf(tern_ctx *ctx, int rank, const int64_t *shape, const double *values)
{
    return tern_require_grad(ctx, tern_input(ctx, "x", TERN_F64, rank, shape, values));
}

/* Backward from the loss, or if it is NULL from given gradients; its value, and in grad
 * the gradient of x. */
static double finish(tern_ctx *ctx, tern_tensor *loss, tern_tensor *x, double *grad)
{
    tern_backward(ctx, loss);
    tern_read(ctx, x->grad, TERN_F64, grad);
    double value = loss ? tern_read_scalar(ctx, loss) : 0;
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    return value;
}

/* ------------------------------------------------------- cross-entropy -- */

static double entropy_of(const char *device, const double *logits, const int32_t *number,
                         const double *share, tern_cross_entropy_opts opts, double *grad)
{
    tern_ctx *ctx = open_recording(device);
    tern_tensor *x = leaf(ctx, 2, matrix, logits);
    tern_tensor *target = share ? tern_input(ctx, "share", TERN_F64, 2, matrix, share)
                                : tern_input(ctx, "target", TERN_I32, 1, rows, number);
    return finish(ctx, tern_cross_entropy(ctx, x, target, NULL, NULL, opts), x, grad);
}

static void an_ignored_row_is_not_looked_at(void **state)
{
    const double logits[] = { 1, 2, 3, 4, NAN, INFINITY, NAN, 0, 0, -1, 2, 0 };
    const int32_t target[] = { 1, -7, 2 };
    const tern_cross_entropy_opts opts = { .ignore_index = -7, .has_ignore_index = true };
    double grad[ROWS * CLASSES];
    (void)state;
    for (int d = 0; d < 2; d++) {
        double loss = entropy_of(devices[d], logits, target, NULL, opts, grad);
        double first = log(exp(-1) + 1 + exp(1) + exp(2)), last = log(2 * exp(-2) + exp(-3) + 1);
        assert_float_equal(loss, (first + last) / 2, 1e-6);
        for (int i = 0; i < ROWS * CLASSES; i++)
            assert_true(i / CLASSES == 1 ? grad[i] == 0 : isfinite(grad[i]) && grad[i] != 0);
    }
}

static void a_whole_share_is_a_class_number(void **state)
{
    const double logits[] = { 1, 2, 3, 4, 0.5, -2, 3, 0, 0, -1, 2, 0 };
    const double share[] = { 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0 };
    const int32_t number[] = { 1, 3, 0 };
    const tern_cross_entropy_opts opts = { .label_smoothing = 0.1 };
    double by_share[ROWS * CLASSES], by_number[ROWS * CLASSES];
    (void)state;
    for (int d = 0; d < 2; d++) {
        double a = entropy_of(devices[d], logits, NULL, share, opts, by_share);
        double b = entropy_of(devices[d], logits, number, NULL, opts, by_number);
        assert_float_equal(a, b, 1e-6);
        for (int i = 0; i < ROWS * CLASSES; i++)
            assert_float_equal(by_share[i], by_number[i], 1e-6);
    }
}

static void a_class_without_a_share_may_be_ruled_out(void **state)
{
    const double logits[] = { 1, -INFINITY, 3, 4, 0.5, -2, 3, 0, 0, -1, 2, 0 };
    const double share[] = { 0.5, 0, 0.5, 0, 0.1, 0.2, 0.3, 0.4, 1, 0, 0, 0 };
    double grad[ROWS * CLASSES];
    (void)state;
    for (int d = 0; d < 2; d++) {
        assert_true(isfinite(entropy_of(devices[d], logits, NULL, share,
                                        (tern_cross_entropy_opts){ 0 }, grad)));
        assert_true(grad[1] == 0);
    }
}

static void soft_targets_have_no_class_number_to_ignore(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *x = tern_full(ctx, 2, matrix, 1);
    tern_cross_entropy(ctx, x, x, NULL, NULL, (tern_cross_entropy_opts){ .has_ignore_index = true });
    assert_tern_fails(ctx, TERN_ERR_OPTION, "soft targets have none: use row_weight");
    tern_ctx_free(ctx);
}

/* --------------------------------------------------------------- focal -- */

/* 1 - p is computed from the others: at a margin of 20 it is 1e-9, less than what
 * float32 can tell from 0 below 1. */
static void focal_keeps_the_digits_of_what_is_left_of_one(void **state)
{
    const double logits[] = { 20, 0, -100, -100, 3, 3, 3, 3, 0, 0, 1, 0 };
    const int32_t target[] = { 0, 1, 2 };
    (void)state;
    for (int d = 0; d < 2; d++) {
        double terms[ROWS], rest = exp(-20) / (1 + exp(-20));
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = tern_input(ctx, "x", TERN_F64, 2, matrix, logits);
        tern_tensor *t = tern_input(ctx, "t", TERN_I32, 1, rows, target);
        tern_tensor *loss = tern_focal(ctx, x, t, NULL, NULL,
                                       (tern_focal_opts){ .reduction = TERN_REDUCE_NONE });
        tern_read(ctx, loss, TERN_F64, terms);
        assert_tern_ok(ctx);
        assert_float_equal(terms[0] / (rest * rest * -log1p(-rest)), 1, 1e-5);
        assert_float_equal(terms[1], 0.75 * 0.75 * log(4), 1e-6);
        tern_ctx_free(ctx);
    }
}

static void a_target_that_is_no_class_is_named(void **state)
{
    const int32_t target[] = { 0, 4, 2 };
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_focal(ctx, tern_full(ctx, 2, matrix, 1), tern_input(ctx, "t", TERN_I32, 1, rows, target),
                   NULL, NULL, (tern_focal_opts){ 0 });
        assert_tern_fails(ctx, TERN_ERR_DATA, "focal: target[1] is 4, the 4 classes are 0 to 3");
        tern_ctx_free(ctx);
    }
}

/* ------------------------------------------------ element by element -- */

static void great_scores_cost_what_they_are_wrong_by(void **state)
{
    const double scores[] = { 1e4, -1e4, 20 }, truth[] = { 0, 1, 1 };
    (void)state;
    for (int d = 0; d < 2; d++) {
        double grad[ROWS], terms[ROWS];
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = leaf(ctx, 1, rows, scores);
        tern_tensor *target = tern_input(ctx, "t", TERN_F64, 1, rows, truth);
        tern_tensor *loss = tern_bce_with_logits(
            ctx, x, target, NULL, NULL, (tern_loss_opts){ .reduction = TERN_REDUCE_NONE });
        tern_seed_grad(ctx, loss, TERN_F64, (const double[]){ 1, 1, 1 });
        tern_read(ctx, loss, TERN_F64, terms);
        finish(ctx, NULL, x, grad);
        assert_true(terms[0] == 1e4 && terms[1] == 1e4);
        assert_float_equal(terms[2] / log1p(exp(-20)), 1, 1e-5);
        assert_true(grad[0] == 1 && grad[1] == -1);
        assert_float_equal(grad[2] * (1 + exp(20)), -1, 1e-5);
    }
}

static void l1_is_flat_at_its_kink(void **state)
{
    const double values[] = { 2, 0, -3 }, truth[] = { 2, 1, -4 };
    double grad[ROWS];
    (void)state;
    for (int d = 0; d < 2; d++) {
        tern_ctx *ctx = open_recording(devices[d]);
        tern_tensor *x = leaf(ctx, 1, rows, values);
        tern_tensor *target = tern_input(ctx, "t", TERN_F64, 1, rows, truth);
        tern_tensor *loss =
            tern_l1(ctx, x, target, NULL, (tern_loss_opts){ .reduction = TERN_REDUCE_SUM });
        assert_true(finish(ctx, loss, x, grad) == 2);
        assert_true(grad[0] == 0 && grad[1] == -1 && grad[2] == 1);
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_mse(ctx, tern_full(ctx, 2, matrix, 1), tern_full(ctx, 1, rows, 1), NULL,
             (tern_loss_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "mse: target [3] must have the shape of x [3,4]");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_tensor *x = tern_full(ctx, 2, matrix, 1);
    tern_bce_with_logits(ctx, x, x, NULL, tern_full(ctx, 1, rows, 1), (tern_loss_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "pos_weight [3] must be as long as the last axis");
    tern_ctx_free(ctx);
}

static void cpu_follows_ref_over_many_tiles(void **state)
{
    static const char *const ops[] = { "mse", "l1", "huber", "bce_with_logits" };
    static const char *const how[] = { "", "reduction=sum", "reduction=none" };
    (void)state;
    for (int h = 0; h < 3; h++) {
        for (int i = 0; i < 4; i++)
            assert_cpu_follows_ref(
                ops[i], "x=[311,97]{-3..3} target=[311,97]{0..1} weight=[311,97]{0..2}", how[h],
                4e-6);
        assert_cpu_follows_ref("bce_with_logits",
                               "x=[311,97]{-3..3} target=[311,97]{0..1} pos_weight=[97]{1..9}",
                               how[h], 4e-6);
        assert_cpu_follows_ref("focal", "logits=[3001,7] target=[3001]{0..6} "
                               "class_weight=[7]{0.1..2} row_weight=[3001]{0..1}", how[h], 4e-6);
        assert_cpu_follows_ref("cross_entropy", "logits=[3001,7] soft_target=[3001,7]{0..1} "
                               "class_weight=[7]{0.1..2} row_weight=[3001]{0..1}", how[h], 4e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ignored_row_is_not_looked_at),
        cmocka_unit_test(a_whole_share_is_a_class_number),
        cmocka_unit_test(a_class_without_a_share_may_be_ruled_out),
        cmocka_unit_test(soft_targets_have_no_class_number_to_ignore),
        cmocka_unit_test(focal_keeps_the_digits_of_what_is_left_of_one),
        cmocka_unit_test(a_target_that_is_no_class_is_named),
        cmocka_unit_test(great_scores_cost_what_they_are_wrong_by),
        cmocka_unit_test(l1_is_flat_at_its_kink),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(cpu_follows_ref_over_many_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
