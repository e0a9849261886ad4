/* Promises of training: it learns, a seed decides every bit, the best epoch is kept, and what
 * cannot be trained says so. */
#include "training.h"

#include "infer/score.h"

#include <stdlib.h>
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

static void note_epoch_loss(const tern_progress *progress, void *user)
{
    if (progress->epoch_done)
        ((double *)user)[progress->epoch - 1] = progress->loss;
}

static void training_lowers_the_loss(void **state)
{
    (void)state;
    enum { LONG = 20 };
    char run[TEMPORARY_PATH_BYTES];
    double loss[LONG] = { 0 };
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "longer", run);
    opts.train.epochs = LONG;
    opts.train.augment = opts.train.modality_dropout = opts.train.auxiliary = 0;
    opts.model.dropout = -1;
    opts.progress = note_epoch_loss;
    opts.user = loss;
    train_or_fail(&opts, &result);
    assert_int_equal(result.epochs, LONG);
    assert_int_equal(result.steps, LONG * TRAINING_BATCHES);
    assert_true(result.parameters > 0 && result.flops_per_sample > 0);
    if (!(loss[LONG - 1] < 0.7 * loss[0]))
        fail_msg("loss %g after %d epochs, %g at first", loss[LONG - 1], LONG, loss[0]);
}

static void a_seed_gives_the_same_bits_for_any_number_of_threads_and_another_seed_others(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "again", run);
    opts.threads = 2;
    train_or_fail(&opts, &result);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);

    opts.run = temporary_path(run, data.folder, "other-seed");
    opts.train.seed++;
    train_or_fail(&opts, &result);
    assert_false(same_run_file(data.whole, run, "last.safetensors"));
}

/* The epoch, from 1, of the first of the best validation UARs. */
static int64_t best_epoch_of(const char *run, double *best)
{
    json_t *metrics = metrics_of_run(run);
    int64_t epoch = 0;
    *best = -1;
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        double uar = json_real_value(json_object_get(json_array_get(metrics, i), "valid_uar"));
        if (uar > *best) {
            *best = uar;
            epoch = (int64_t)i + 1;
        }
    }
    json_decref(metrics);
    return epoch;
}

static void the_best_checkpoint_is_the_epoch_of_the_best_validation_uar(void **state)
{
    (void)state;
    enum { LONG = 8 };
    char run[TEMPORARY_PATH_BYTES], name[32];
    int64_t best_epoch = LONG;
    double best = 0;
    tern_train_result result;
    tern_error error = { 0 };
    /* A run whose best epoch is neither the first nor the last, or nothing is shown. */
    for (int seed = 1; best_epoch == 1 || best_epoch == LONG; seed++) {
        assert_true(seed < 10);
        snprintf(name, sizeof name, "best%d", seed);
        tern_trainer_opts opts = training_into(&data, name, run);
        opts.model.fusion = TERN_FUSION_CONCAT;
        opts.train.epochs = LONG;
        opts.train.seed = (uint64_t)seed;
        train_or_fail(&opts, &result);
        best_epoch = best_epoch_of(run, &best);
    }
    assert_int_equal(result.best_epoch, best_epoch);
    assert_float_equal(result.best_uar, best, 1e-8);

    tern_score score;
    const tern_score_opts again = { .runs = (const char *[]){ run }, .run_count = 1,
                                    .data = data.manifest, .split = "valid", .threads = 1 };
    if (!tern_score_runs(&again, &score, &error))
        fail_msg("%s", error.message);
    assert_float_equal(score.metrics.uar, best, 1e-8);
    tern_score_free(&score);

    const tern_trainer_opts resume = { .run = run, .resume = true, .threads = 1 };
    train_or_fail(&resume, &result); /* known also where no epoch was run */
    assert_int_equal(result.best_epoch, best_epoch);
}

static void encoders_are_taken_over_only_with_their_words(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], words[TEMPORARY_PATH_BYTES];
    size_t size;
    tern_train_result result;
    const char *const init[] = { run };
    tern_trainer_opts opts = training_into(&data, "source", run);
    opts.model.streams = 1u << TERN_STREAM_TEXT;
    opts.train.epochs = 1;
    train_or_fail(&opts, &result);

    char warm[TEMPORARY_PATH_BYTES];
    opts = training_into(&data, "warm", warm);
    opts.init = init;
    opts.init_count = 1;
    train_or_fail(&opts, &result);
    assert_false(same_run_file(data.whole, warm, "last.safetensors"));

    char *text = (char *)read_run_file(run, "vocabulary.txt", &size);
    char *word = strstr(text, "again");
    assert_non_null(word);
    memcpy(word, "niaga", 5);
    assert_true(temporary_file(words, run, "vocabulary.txt", text, size));
    free(text);
    opts.run = temporary_path(warm, data.folder, "colder");
    assert_training_fails(&opts, TERN_ERR_DATA, "source/vocabulary.txt: its words are not those of");
}

static void training_that_diverges_says_so(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_trainer_opts opts = training_into(&data, "diverged", run);
    opts.train.lr = opts.train.weight_decay = 10; /* parameters grow 99-fold each step */
    opts.train.warmup = 0;
    opts.train.epochs = 20;
    assert_training_fails(&opts, TERN_ERR_DATA, "training has diverged");
}

static void a_valid_split_of_one_class_has_no_auc(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    const tiny_set set = { "single.tsv", { 6, 1, 0 }, NULL };
    tern_train_result result;
    assert_true(tiny_set_make(&set, data.folder, path));
    tern_trainer_opts opts = tiny_training(path, temporary_path(run, data.folder, "single"));
    opts.train.epochs = 1;
    train_or_fail(&opts, &result);
    json_t *metrics = metrics_of_run(run);
    assert_true(json_is_null(json_object_get(json_array_get(metrics, 0), "valid_auc")));
    json_decref(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(a_seed_gives_the_same_bits_for_any_number_of_threads_and_another_seed_others),
        cmocka_unit_test(the_best_checkpoint_is_the_epoch_of_the_best_validation_uar),
        cmocka_unit_test(encoders_are_taken_over_only_with_their_words),
        cmocka_unit_test(training_that_diverges_says_so),
        cmocka_unit_test(a_valid_split_of_one_class_has_no_auc),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
