/* Promises of evaluation and prediction: any split of any manifest with the run's classes,
 * from any of the modalities that the model has. */
#include "training.h"

#include "infer/predict.h"
#include "infer/score.h"

#include <string.h>

static training_set data;

static int make_set(void **state)
{
    (void)state;
    return training_set_make(&data) ? 0 : -1;
}

static int remove_set(void **state)
{
    (void)state;
    training_set_remove(&data);
    return 0;
}

static void a_run_is_evaluated_on_speakers_it_never_saw(void **state)
{
    (void)state;
    char other[TEMPORARY_PATH_BYTES];
    const tiny_set set = { "other.tsv", { 0, 0, 7 }, NULL };
    tern_error error = { 0 };
    tern_score score;
    assert_true(tiny_set_make(&set, data.folder, other));
    const tern_score_opts opts = { .runs = (const char *[]){ data.whole }, .run_count = 1,
                                   .data = other, .threads = 1, .batch = 4, .resamples = 50 };
    if (!tern_score_runs(&opts, &score, &error))
        fail_msg("%s", error.message);
    assert_int_equal(score.predictions.count, 7);
    assert_string_equal(score.id[0], "other.tsv-test0");
    assert_true(score.has_intervals);
    for (int i = 0; i < 7; i++) {
        const double *row = score.predictions.probability + TINY_CLASSES * i;
        assert_int_equal(score.predictions.label[i], i % TINY_CLASSES);
        assert_float_equal(row[0] + row[1] + row[2], 1, 1e-9);
    }
    tern_score_free(&score);
}

/* The average of one run with itself is that run; its log-probabilities add up. */
static void averaging_a_run_with_itself_changes_nothing(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_score one, both;
    tern_score_opts opts = { .runs = (const char *[]){ data.whole, data.whole }, .run_count = 1,
                             .data = data.manifest, .split = "valid", .threads = 1 };
    assert_true(tern_score_runs(&opts, &one, &error));
    opts.run_count = 2;
    assert_true(tern_score_runs(&opts, &both, &error));
    assert_int_equal(one.predictions.count, both.predictions.count);
    for (int64_t i = 0; i < one.predictions.count * TINY_CLASSES; i++)
        assert_float_equal(one.predictions.probability[i], both.predictions.probability[i], 1e-12);
    tern_score_free(&one);
    tern_score_free(&both);
}

static void a_class_that_the_run_does_not_know_is_refused(void **state)
{
    (void)state;
    char other[TEMPORARY_PATH_BYTES];
    const tiny_set set = { "classes.tsv", { 0, 0, 6 }, "saad" };
    tern_error error = { 0 };
    tern_score score;
    assert_true(tiny_set_make(&set, data.folder, other));
    const tern_score_opts opts = { .runs = (const char *[]){ data.whole }, .run_count = 1,
                                   .data = other, .threads = 1 };
    assert_false(tern_score_runs(&opts, &score, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    assert_non_null(strstr(error.message, "classes.tsv:4: label \"saad\" is none of the 3 classes; "
                                          "did you mean \"sad\"?"));
}

static void any_modalities_of_a_sample_may_be_missing(void **state)
{
    (void)state;
    char face[TEMPORARY_PATH_BYTES], audio[TEMPORARY_PATH_BYTES];
    double probability[8][TINY_CLASSES];
    tern_error error = { 0 };
    tern_loaded_run run;
    temporary_path(face, data.folder, "set.tsv.media/test1");
    temporary_path(audio, data.folder, "set.tsv.media/test1.wav");
    if (!tern_run_open(data.whole, NULL, 1, &run, &error))
        fail_msg("%s", error.message);
    for (unsigned set = 1; set < 8; set++) {
        const tern_sample_files sample = { set & 1 ? face : NULL, set & 2 ? audio : NULL,
                                           set & 4 ? "what a day now" : NULL };
        double *p = probability[set];
        if (!tern_predict_sample(&run, &sample, p, &error))
            fail_msg("modalities %u: %s", set, error.message);
        assert_float_equal(p[0] + p[1] + p[2], 1, 1e-9);
        for (unsigned before = 1; before < set; before++)
            assert_memory_not_equal(p, probability[before], sizeof probability[set]);
    }
    double again[TINY_CLASSES];
    const tern_sample_files wrong = { .audio = "/no/such.wav" }, right = { .audio = audio };
    assert_false(tern_predict_sample(&run, &wrong, again, &error));
    assert_non_null(strstr(error.message, "/no/such.wav"));
    error = (tern_error){ 0 };
    assert_true(tern_predict_sample(&run, &right, again, &error));
    assert_memory_equal(again, probability[2], sizeof again);
    assert_false(tern_predict_sample(&run, &(tern_sample_files){ 0 }, again, &error));
    assert_non_null(strstr(error.message, "nothing to predict from"));
    tern_run_close(&run);
}

static void a_modality_that_the_model_lacks_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    double probability[TINY_CLASSES];
    tern_error error = { 0 };
    tern_train_result result;
    tern_loaded_run run;
    tern_trainer_opts opts = training_into(&data, "speech", path);
    opts.model.streams = 1u << TERN_STREAM_AUDIO;
    opts.train.epochs = 1;
    train_or_fail(&opts, &result);
    if (!tern_run_open(path, NULL, 1, &run, &error))
        fail_msg("%s", error.message);
    assert_null(run.vocabulary);
    assert_false(tern_predict_sample(&run, &(tern_sample_files){ .text = "no" }, probability, &error));
    assert_string_equal(error.message, "this run's model has no text");
    tern_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_evaluated_on_speakers_it_never_saw),
        cmocka_unit_test(averaging_a_run_with_itself_changes_nothing),
        cmocka_unit_test(a_class_that_the_run_does_not_know_is_refused),
        cmocka_unit_test(any_modalities_of_a_sample_may_be_missing),
        cmocka_unit_test(a_modality_that_the_model_lacks_is_refused),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
