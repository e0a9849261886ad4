/* Schedules of the learning rate against torch.optim.lr_scheduler
 * (tests/fixtures/make_schedules.py). */
#include "tests/check.h"

#include "core/safetensors.h"
#include "train/options.h"
#include "train/schedule.h"

#include <math.h>
#include <stdlib.h>

static tern_safetensors *open_fixture(void)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open("tests/fixtures/schedules.safetensors", &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

static const tern_stored *stored(const tern_safetensors *file, const char *name)
{
    tern_error error = { 0 };
    const tern_stored *found = tern_safetensors_find(file, name, &error);
    if (!found)
        fail_msg("%s", error.message);
    return found;
}

static double number(const tern_safetensors *file, const char *key)
{
    return atof(tern_safetensors_metadata(file, key));
}

/* Every rate of the run within rounding of the peak. */
static void assert_follows(const tern_safetensors *file, const char *name, tern_schedule_kind kind,
                           int64_t warmup)
{
    const tern_stored *wanted = stored(file, name);
    const tern_schedule schedule = { .kind = kind, .peak = number(file, "peak"), .warmup = warmup,
                                     .total = wanted->count, .every = (int64_t)number(file, "every"),
                                     .factor = number(file, "factor") };
    for (int64_t step = 1; step <= wanted->count; step++) {
        double rate = tern_schedule_rate(&schedule, step);
        double right = ((const double *)wanted->data)[step - 1];
        if (!(fabs(rate - right) <= 1e-13 * schedule.peak))
            fail_msg("%s, step %d: %.17g, PyTorch says %.17g", name, (int)step, rate, right);
    }
}

static void every_schedule_is_pytorchs(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    int64_t warmup = (int64_t)number(file, "warmup");
    assert_follows(file, "cosine_cold", TERN_SCHEDULE_COSINE, 0);
    assert_follows(file, "cosine", TERN_SCHEDULE_COSINE, warmup);
    assert_follows(file, "constant", TERN_SCHEDULE_CONSTANT, warmup);
    assert_follows(file, "step", TERN_SCHEDULE_STEP, warmup);
    assert_follows(file, "one_cycle", TERN_SCHEDULE_ONE_CYCLE, warmup);
    tern_safetensors_close(file);
}

static void plateau_drops_when_pytorchs_does(void **state)
{
    (void)state;
    tern_safetensors *file = open_fixture();
    const tern_stored *losses = stored(file, "losses");
    const double *loss = losses->data, *rate = stored(file, "plateau")->data;
    tern_plateau plateau =
        tern_plateau_begin(number(file, "factor"), (int64_t)number(file, "patience"));
    for (int64_t epoch = 0; epoch < losses->count; epoch++) {
        tern_plateau_see(&plateau, loss[epoch]);
        assert_float_equal(plateau.scale * number(file, "peak") / rate[epoch], 1, 1e-13);
    }
    tern_safetensors_close(file);
}

static void a_loss_that_is_no_number_is_no_better(void **state)
{
    (void)state;
    tern_plateau plateau = tern_plateau_begin(0.5, 1);
    tern_plateau_see(&plateau, 1);
    tern_plateau_see(&plateau, NAN);
    assert_true(plateau.scale == 1 && plateau.best == 1);
    tern_plateau_see(&plateau, NAN);
    assert_true(plateau.scale == 0.5);
}

/* What training did before there was a choice, to the bit. */
static void cosine_with_warm_up_is_the_default(void **state)
{
    (void)state;
    tern_train_opts opts = tern_train_opts_default();
    assert_int_equal(opts.schedule, TERN_SCHEDULE_COSINE);
    const tern_schedule schedule = { .peak = 1e-3, .warmup = 7, .total = 60 };
    for (int64_t step = 1; step <= 60; step++) {
        double done = (double)(step - 7) / 53.0;
        double before = step <= 7 ? 1e-3 * (double)step / 7.0
                                  : 1e-3 * 0.5 * (1 + cos(3.14159265358979323846 * done));
        assert_true(tern_schedule_rate(&schedule, step) == before);
    }
}

static void a_rise_may_be_a_step_or_the_whole_run(void **state)
{
    (void)state;
    for (int kind = 0; tern_schedule_names[kind]; kind++)
        for (int64_t warmup = 0; warmup <= 5; warmup++) {
            const tern_schedule schedule = { .kind = (tern_schedule_kind)kind, .peak = 1,
                                             .warmup = warmup, .total = 5, .every = 2,
                                             .factor = 0.5 };
            for (int64_t step = 1; step <= 5; step++) {
                double rate = tern_schedule_rate(&schedule, step);
                assert_true(rate >= 0 && rate <= 1);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schedule_is_pytorchs),
        cmocka_unit_test(plateau_drops_when_pytorchs_does),
        cmocka_unit_test(a_loss_that_is_no_number_is_no_better),
        cmocka_unit_test(cosine_with_warm_up_is_the_default),
        cmocka_unit_test(a_rise_may_be_a_step_or_the_whole_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
