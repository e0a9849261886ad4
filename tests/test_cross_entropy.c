/* Promises of cross-entropy: padding is not looked at, weights that sum to zero give
 * a loss of zero, and a target that is no class is named. */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "kernels/cross_entropy/cross_entropy.h"
#include "tests/against_ref.h"

enum { ROWS = 5, CLASSES = 7 };

typedef struct problem {
    double logits[ROWS * CLASSES], class_weight[CLASSES], row_weight[ROWS];
    int32_t target[ROWS];
    bool has_class_weight, has_row_weight;
    double smoothing;
} problem;

typedef struct result {
    double loss, grad[ROWS * CLASSES];
} result;

static problem make_problem(void)
{
    problem p = { .smoothing = 0 };
    for (int i = 0; i < ROWS * CLASSES; i++)
        p.logits[i] = 3 * sin(i + 1);
    for (int i = 0; i < ROWS; i++) {
        p.target[i] = (3 * i + 1) % CLASSES;
        p.row_weight[i] = 1;
    }
    for (int c = 0; c < CLASSES; c++)
        p.class_weight[c] = 1;
    return p;
}

static tern_tensor *apply(tern_ctx *ctx, const problem *p, tern_tensor **logits)
{
    const int64_t classes = CLASSES, rows = ROWS, shape[] = { ROWS, CLASSES };
    *logits = tern_require_grad(ctx, tern_input(ctx, "logits", TERN_F64, 2, shape, p->logits));
    return tern_cross_entropy(
        ctx, *logits, tern_input(ctx, "target", TERN_I32, 1, &rows, p->target),
        p->has_class_weight ? tern_input(ctx, "class_weight", TERN_F64, 1, &classes,
                                         p->class_weight)
                            : NULL,
        p->has_row_weight ? tern_input(ctx, "row_weight", TERN_F64, 1, &rows, p->row_weight) : NULL,
        (tern_cross_entropy_opts){ .label_smoothing = p->smoothing });
}

static result run(const char *device, const problem *p)
{
    result found;
    tern_tensor *logits;
    tern_ctx *ctx = open_recording(device);
    tern_tensor *loss = apply(ctx, p, &logits);
    tern_backward(ctx, loss);
    found.loss = tern_read_scalar(ctx, loss);
    tern_read(ctx, logits->grad, TERN_F64, found.grad);
    assert_tern_ok(ctx);
    tern_ctx_free(ctx);
    return found;
}

static const char *const devices[] = { "ref", "cpu" };

static void loss_of_equal_scores_is_log_of_the_classes(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem p = make_problem();
        for (int i = 0; i < ROWS * CLASSES; i++)
            p.logits[i] = 12;
        result found = run(devices[d], &p);
        assert_true(fabs(found.loss - log(CLASSES)) < 1e-6);
        for (int i = 0; i < ROWS * CLASSES; i++) {
            double hit = i % CLASSES == p.target[i / CLASSES];
            assert_true(fabs(found.grad[i] - (1.0 / CLASSES - hit) / ROWS) < 1e-7);
        }
    }
}

static void rows_of_weight_zero_are_not_looked_at(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem p = make_problem();
        p.has_row_weight = true;
        p.row_weight[1] = p.row_weight[4] = 0;
        result clean = run(devices[d], &p);
        for (int c = 0; c < CLASSES; c++) {
            p.logits[CLASSES + c] = NAN;
            p.logits[4 * CLASSES + c] = INFINITY;
            assert_true(clean.grad[CLASSES + c] == 0 && clean.grad[4 * CLASSES + c] == 0);
        }
        p.target[1] = -100;
        p.target[4] = INT32_MAX;
        result padded = run(devices[d], &p);
        assert_memory_equal(&clean, &padded, sizeof clean);
    }
}

static void weights_that_sum_to_zero_give_zero_and_never_nan(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++)
        for (int by_class = 0; by_class < 2; by_class++) {
            problem p = make_problem();
            p.has_row_weight = !by_class;
            p.has_class_weight = by_class;
            memset(p.row_weight, 0, sizeof p.row_weight);
            for (int i = 0; i < ROWS; i++)
                p.class_weight[p.target[i]] = 0;
            result found = run(devices[d], &p);
            assert_true(found.loss == 0);
            for (int i = 0; i < ROWS * CLASSES; i++)
                assert_true(found.grad[i] == 0);
        }
}

/* A weight of 2 counts a row twice. */
static void a_weight_of_two_counts_twice(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem twice = make_problem(), weighted = make_problem();
        twice.smoothing = weighted.smoothing = 0.1;
        memcpy(twice.logits + CLASSES, twice.logits, CLASSES * sizeof *twice.logits);
        twice.target[1] = twice.target[0];
        weighted.has_row_weight = true;
        weighted.row_weight[0] = 2;
        weighted.row_weight[1] = 0;
        assert_true(fabs(run(devices[d], &twice).loss - run(devices[d], &weighted).loss) < 1e-6);
    }
}

/* A confident mistake costs its whole margin; nothing overflows. */
static void great_scores_give_great_but_finite_losses(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem p = make_problem();
        for (int i = 0; i < ROWS * CLASSES; i++)
            p.logits[i] = i % CLASSES == (p.target[i / CLASSES] + 1) % CLASSES ? 1e6 : -1e6;
        result found = run(devices[d], &p);
        assert_true(fabs(found.loss - 2e6) < 1);
        for (int i = 0; i < ROWS * CLASSES; i++)
            assert_true(isfinite(found.grad[i]));
    }
}

/* A class that the model rules out by -inf is no obstacle unless it is the target. */
static void a_class_ruled_out_has_probability_zero(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem p = make_problem();
        p.logits[0] = -INFINITY;
        result found = run(devices[d], &p);
        assert_true(isfinite(found.loss) && found.grad[0] == 0);
        p.logits[p.target[0]] = -INFINITY;
        assert_true(isinf(run(devices[d], &p).loss));
    }
}

static void a_target_that_is_no_class_is_named(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        problem p = make_problem();
        tern_tensor *logits;
        p.target[3] = CLASSES;
        tern_ctx *ctx = open_recording(devices[d]);
        apply(ctx, &p, &logits);
        assert_tern_fails(ctx, TERN_ERR_DATA,
                          "cross_entropy: target[3] is 7, the 7 classes are 0 to 6");
        tern_ctx_free(ctx);
    }
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    const int32_t target[3] = { 0 };
    (void)state;
    tern_ctx *ctx = open_recording("cpu");
    tern_tensor *logits = tern_full(ctx, 2, (int64_t[]){ 3, 4 }, 1);
    tern_tensor *weight = tern_full(ctx, 1, (int64_t[]){ 3 }, 1);
    tern_cross_entropy(ctx, logits, tern_input(ctx, "t", TERN_I32, 1, (int64_t[]){ 3 }, target),
                       weight, NULL, (tern_cross_entropy_opts){ 0 });
    assert_tern_fails(ctx, TERN_ERR_SHAPE,
                      "class_weight [3] must be [4], one for each class of logits [3,4]");
    tern_ctx_free(ctx);
}

static void cpu_follows_ref_at_every_level_and_width(void **state)
{
    static const char *const inputs[] = {
        "logits=[3001,7] target=[3001]{0..6} class_weight=[7]{0.1..2} row_weight=[3001]{0..1}",
        "logits=[23,1009]{-9..9} target=[23]{0..1008} class_weight=[1009]{0..2}",
        "logits=[129,64] target=[129]{0..63} row_weight=[129]{0..3}",
        "logits=[17,2] target=[17]",
        "logits=[0,3] target=[0] class_weight=[3] row_weight=[0]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        assert_cpu_follows_ref("cross_entropy", inputs[i], "", 4e-6);
        assert_cpu_follows_ref("cross_entropy", inputs[i], "label_smoothing=0.2", 4e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_of_equal_scores_is_log_of_the_classes),
        cmocka_unit_test(rows_of_weight_zero_are_not_looked_at),
        cmocka_unit_test(weights_that_sum_to_zero_give_zero_and_never_nan),
        cmocka_unit_test(a_weight_of_two_counts_twice),
        cmocka_unit_test(great_scores_give_great_but_finite_losses),
        cmocka_unit_test(a_class_ruled_out_has_probability_zero),
        cmocka_unit_test(a_target_that_is_no_class_is_named),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(cpu_follows_ref_at_every_level_and_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
