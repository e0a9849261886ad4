/* Metrics against scikit-learn; the bootstrap against the same drawn by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/safetensors.h"
#include "train/metrics.h"

#define FIXTURE "tests/fixtures/metrics.safetensors"

/* --------------------------------------------------------------- cases -- */

static tern_safetensors *open_fixture(int *cases)
{
    tern_error error = { 0 };
    tern_safetensors *file = tern_safetensors_open(FIXTURE, &error);
    assert_string_equal(error.message, "");
    *cases = atoi(tern_safetensors_metadata(file, "cases"));
    assert_true(*cases > 0);
    return file;
}

static const tern_stored *part(const tern_safetensors *file, int number, const char *name)
{
    char full[64];
    tern_error error = { 0 };
    snprintf(full, sizeof full, "%d/%s", number, name);
    const tern_stored *stored = tern_safetensors_find(file, full, &error);
    assert_string_equal(error.message, "");
    return stored;
}

static tern_scored scored_of(const tern_safetensors *file, int number)
{
    const tern_stored *probabilities = part(file, number, "probabilities");
    return (tern_scored){ .count = probabilities->shape[0],
                          .classes = (int)probabilities->shape[1],
                          .labels = part(file, number, "labels")->data,
                          .probabilities = probabilities->data };
}

static void assert_near(double value, double expected)
{
    if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) <= 1e-12))
        fail_msg("%.17g is not %.17g", value, expected);
}

/* --------------------------------------------------------------- tests -- */

static void metrics_are_scikit_learns(void **state)
{
    (void)state;
    int cases;
    tern_safetensors *file = open_fixture(&cases);
    for (int number = 0; number < cases; number++) {
        tern_metrics metrics;
        tern_error error = { 0 };
        tern_scored scored = scored_of(file, number);
        assert_true(tern_metrics_of(&scored, &metrics, &error));
        const double *expected = part(file, number, "scores")->data;
        assert_near(metrics.accuracy, expected[0]);
        assert_near(metrics.uar, expected[1]);
        assert_near(metrics.macro_f1, expected[2]);
        assert_near(metrics.auc, expected[3]);
        const double *class_auc = part(file, number, "class_auc")->data;
        for (int c = 0; c < scored.classes; c++)
            assert_near(metrics.class_auc[c], class_auc[c]);
        const tern_stored *confusion = part(file, number, "confusion");
        assert_memory_equal(metrics.confusion, confusion->data, confusion->bytes);
        tern_metrics_free(&metrics);
    }
    tern_safetensors_close(file);
}

static void bootstrap_intervals_are_those_of_resampled_groups(void **state)
{
    (void)state;
    int cases;
    tern_safetensors *file = open_fixture(&cases);
    tern_bootstrap_opts opts = {
        .resamples = atoi(tern_safetensors_metadata(file, "resamples")),
        .confidence = atof(tern_safetensors_metadata(file, "confidence")),
        .seed = strtoull(tern_safetensors_metadata(file, "seed"), NULL, 10),
    };
    for (int number = 0; number < cases; number++) {
        tern_metric_intervals intervals;
        tern_error error = { 0 };
        tern_scored scored = scored_of(file, number);
        const double *expected = part(file, number, "intervals")->data;
        assert_true(tern_metrics_bootstrap(&scored, part(file, number, "groups")->data, opts,
                                           &intervals, &error));
        const tern_interval found[4] = { intervals.accuracy, intervals.uar, intervals.macro_f1,
                                         intervals.auc };
        for (int m = 0; m < 4; m++) {
            assert_near(found[m].low, expected[2 * m]);
            assert_near(found[m].high, expected[2 * m + 1]);
        }
    }
    tern_safetensors_close(file);
}

/* Ten copies of every sample say nothing new; only the groups can tell. */
static void copies_of_a_group_do_not_narrow_the_interval(void **state)
{
    (void)state;
    enum { CLIPS = 40, COPIES = 10, COUNT = CLIPS * COPIES };
    static int32_t labels[COUNT];
    static double probabilities[COUNT][2];
    static int64_t groups[COUNT];
    for (int i = 0; i < COUNT; i++) {
        int clip = i / COPIES;
        groups[i] = clip;
        labels[i] = clip % 2;
        probabilities[i][0] = clip % 4 < 2 ? 0.8 : 0.3;
        probabilities[i][1] = 1 - probabilities[i][0];
    }
    tern_scored scored = { COUNT, 2, labels, probabilities[0] };
    tern_metric_intervals clustered, loose;
    tern_error error = { 0 };
    tern_bootstrap_opts opts = { .seed = 5 };
    assert_true(tern_metrics_bootstrap(&scored, groups, opts, &clustered, &error));
    assert_true(tern_metrics_bootstrap(&scored, NULL, opts, &loose, &error));
    double wide = clustered.accuracy.high - clustered.accuracy.low;
    double narrow = loose.accuracy.high - loose.accuracy.low;
    /* Standard errors: sqrt(0.25/40) and sqrt(0.25/400). */
    assert_true(wide > 0.25 && wide < 0.37);
    assert_true(narrow > 0.07 && narrow < 0.13);
}

static void what_cannot_be_measured_is_named(void **state)
{
    (void)state;
    int32_t labels[2] = { 0, 3 };
    double probabilities[4] = { 0.5, 0.5, 0.1, 0.9 };
    tern_scored scored = { 2, 2, labels, probabilities };
    tern_metrics metrics;
    tern_metric_intervals intervals;
    tern_error error = { 0 };
    assert_false(tern_metrics_of(&scored, &metrics, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    assert_string_equal(error.message, "metrics: label 3 of row 1 is not in 0..1");
    labels[1] = 1;
    probabilities[3] = NAN;
    error = (tern_error){ 0 };
    assert_false(tern_metrics_bootstrap(&scored, NULL, (tern_bootstrap_opts){ 0 }, &intervals,
                                        &error));
    assert_string_equal(error.message, "metrics: probability of row 1, class 1 is not a number");
    error = (tern_error){ 0 };
    scored.count = 0;
    assert_false(tern_metrics_of(&scored, &metrics, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    error = (tern_error){ 0 };
    assert_false(tern_metrics_bootstrap(&scored, NULL, (tern_bootstrap_opts){ .confidence = 1 },
                                        &intervals, &error));
    assert_int_equal(error.code, TERN_ERR_OPTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_scikit_learns),
        cmocka_unit_test(bootstrap_intervals_are_those_of_resampled_groups),
        cmocka_unit_test(copies_of_a_group_do_not_narrow_the_interval),
        cmocka_unit_test(what_cannot_be_measured_is_named),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
