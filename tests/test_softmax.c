/* Promises of softmax: rows sum to one whatever the scores, masked elements are not
 * looked at, and a fully masked row is zeros with a gradient of zeros. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/softmax/log_softmax.h"
#include "kernels/softmax/softmax.h"
#include "tests/against_ref.h"

enum { ROWS = 4, WIDTH = 19 };

typedef struct softmax_run {
    double y[ROWS * WIDTH], grad[ROWS * WIDTH];
} softmax_run;

typedef tern_tensor *(*softmax_op)(tern_ctx *ctx, tern_tensor *x, tern_tensor *mask);

/* Gradient of sum over y[i] * (i + 1); log_softmax passes nothing back from what is masked,
 * not even NaN. */
static void run(const char *device, softmax_op op, const double *x, const uint8_t *mask,
                softmax_run *result)
{
    double seed[ROWS * WIDTH];
    const int64_t shape[] = { ROWS, WIDTH };
    tern_ctx *ctx = open_recording(device);
    tern_tensor *input = tern_require_grad(ctx, tern_input(ctx, "x", TERN_F64, 2, shape, x));
    tern_tensor *valid = mask ? tern_input(ctx, "mask", TERN_U8, 2, shape, mask) : NULL;
    tern_tensor *y = op(ctx, input, valid);
    for (int i = 0; i < ROWS * WIDTH; i++)
        seed[i] = op == tern_log_softmax && mask && !mask[i] ? NAN : i + 1;
    tern_seed_grad(ctx, y, TERN_F64, seed);
    tern_backward(ctx, NULL);
    tern_read(ctx, y, TERN_F64, result->y);
    tern_read(ctx, input->grad, TERN_F64, result->grad);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
}

static double sum_of_row(const double *y, int row)
{
    double sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += y[row * WIDTH + i];
    return sum;
}

static const char *const devices[] = { "ref", "cpu" };

static void a_fully_masked_row_is_zeros_with_zero_gradient(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH];
        uint8_t mask[ROWS * WIDTH];
        softmax_run found;
        for (int i = 0; i < ROWS * WIDTH; i++) {
            x[i] = i / WIDTH == 1 ? INFINITY : sin(i);
            mask[i] = i / WIDTH != 1;
        }
        run(devices[d], tern_softmax, x, mask, &found);
        for (int i = 0; i < WIDTH; i++)
            assert_true(found.y[WIDTH + i] == 0 && found.grad[WIDTH + i] == 0);
        for (int row = 0; row < ROWS; row += 2)
            assert_true(fabs(sum_of_row(found.y, row) - 1) < 1e-6);
    }
}

/* What is masked may be anything: the result is that of the valid elements alone. */
static void masked_elements_are_not_looked_at(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH], other[ROWS * WIDTH];
        uint8_t mask[ROWS * WIDTH];
        softmax_run found, again;
        for (int i = 0; i < ROWS * WIDTH; i++) {
            mask[i] = i % 3 != 1;
            x[i] = sin(i);
            other[i] = mask[i] ? x[i] : i % 2 ? NAN : INFINITY;
        }
        run(devices[d], tern_softmax, x, mask, &found);
        run(devices[d], tern_softmax, other, mask, &again);
        assert_memory_equal(&found, &again, sizeof found);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_true((found.y[i] == 0) == !mask[i] && (mask[i] || found.grad[i] == 0));
        assert_true(fabs(sum_of_row(found.y, 2) - 1) < 1e-6);
    }
}

static void great_scores_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH];
        softmax_run found;
        for (int i = 0; i < ROWS * WIDTH; i++)
            x[i] = (i / WIDTH ? -1e30 : 1e30) * (1 + i % WIDTH);
        x[3 * WIDTH + 5] = -INFINITY; /* as good as masked */
        run(devices[d], tern_softmax, x, NULL, &found);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_true(found.y[i] == (i % WIDTH == (i / WIDTH ? 0 : WIDTH - 1)));
    }
}

static void nan_spoils_its_row_alone(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH] = { 0 };
        softmax_run found;
        x[WIDTH + 18] = NAN;
        run(devices[d], tern_softmax, x, NULL, &found);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_int_equal(isnan(found.y[i]) != 0, i / WIDTH == 1);
    }
}

static void cpu_follows_ref_at_every_level_and_width(void **state)
{
    static const char *const inputs[] = {
        "x=[301,17] mask=[301,17]", "x=[67,64]{-9..9}",  "x=[3,9001]",
        "x=[5000,1] mask=[5000,1]", "x=[2,3,5,31]{0..0}", "x=[0,5] mask=[0,5]",
        "x=[7,0]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        assert_cpu_follows_ref("softmax", inputs[i], "", 4e-6);
        assert_cpu_follows_ref("log_softmax", inputs[i], "", 4e-6);
    }
}

/* ---------------------------------------------------------- log_softmax -- */

/* exp(log_softmax) is softmax, masks and a fully masked row included. */
static void log_softmax_is_the_logarithm_of_softmax(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH];
        uint8_t mask[ROWS * WIDTH];
        softmax_run found, logs;
        for (int i = 0; i < ROWS * WIDTH; i++) {
            mask[i] = i % 3 != 1 && i / WIDTH != 2;
            x[i] = mask[i] ? 9 * sin(i) : i % 2 ? NAN : INFINITY;
        }
        run(devices[d], tern_softmax, x, mask, &found);
        run(devices[d], tern_log_softmax, x, mask, &logs);
        for (int i = 0; i < ROWS * WIDTH; i++) {
            if (mask[i])
                assert_float_equal(exp(logs.y[i]), found.y[i], 1e-6);
            else
                assert_true(logs.y[i] == 0 && logs.grad[i] == 0);
            assert_false(isnan(logs.grad[i]));
        }
    }
}

static void logarithms_of_what_vanishes_stay_exact(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        double x[ROWS * WIDTH];
        softmax_run found;
        for (int i = 0; i < ROWS * WIDTH; i++)
            x[i] = 1000.0 * (i % WIDTH) + 1e6 * (i / WIDTH);
        run(devices[d], tern_log_softmax, x, NULL, &found);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_true(found.y[i] == 1000.0 * (i % WIDTH) - 1000.0 * (WIDTH - 1));
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    const uint8_t valid[3] = { 1, 1, 1 };
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_softmax(ctx, tern_full(ctx, 2, (int64_t[]){ 2, 3 }, 1),
                 tern_input(ctx, "mask", TERN_U8, 1, (int64_t[]){ 3 }, valid));
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "softmax: mask [3] must have the shape of x [2,3]");
    tern_clear_error(ctx);
    tern_step_begin(ctx, 0);
    tern_softmax(ctx, tern_full(ctx, 0, NULL, 1), NULL);
    assert_tern_fails(ctx, TERN_ERR_SHAPE, "x is a scalar");
    tern_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fully_masked_row_is_zeros_with_zero_gradient),
        cmocka_unit_test(masked_elements_are_not_looked_at),
        cmocka_unit_test(great_scores_neither_overflow_nor_vanish),
        cmocka_unit_test(nan_spoils_its_row_alone),
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_width),
        cmocka_unit_test(log_softmax_is_the_logarithm_of_softmax),
        cmocka_unit_test(logarithms_of_what_vanishes_stay_exact),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
