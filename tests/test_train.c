/* Promises of training: a run can be stopped anywhere and goes on bit for bit, the best
 * epoch is kept, and no failure costs what was reached before. */
#include "check.h"
#include "tiny_set.h"

#include "datasets/file.h"
#include "infer/predict.h"
#include "infer/score.h"
#include "train/checkpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES];
/* A run that was never interrupted: what the others are compared with. */
static char whole[TEMPORARY_PATH_BYTES];
enum { EPOCHS = 4, BATCHES = 3 };

static void run_or_fail(const tern_trainer_opts *opts, tern_train_result *result)
{
    tern_error error = { 0 };
    if (!tern_train(opts, result, &error))
        fail_msg("%s", error.message);
}

static int make_data(void **state)
{
    (void)state;
    const tiny_set set = { "set.tsv", { 18, 12, 6 }, NULL };
    if (!temporary_folder_make(folder) || !tiny_set_make(&set, folder, manifest))
        return -1;
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is then an error of write() */
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(whole, folder, "whole"));
    run_or_fail(&opts, &result);
    return 0;
}

static int remove_data(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

/* ------------------------------------------------------------ comparing -- */

static void assert_training_fails(const tern_trainer_opts *opts, tern_status code, const char *text)
{
    tern_error error = { 0 };
    tern_train_result result;
    if (tern_train(opts, &result, &error))
        fail_msg("training did not fail; wanted \"%s\"", text);
    if (error.code != code || !strstr(error.message, text))
        fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(code), text,
                 tern_status_name(error.code), error.message);
}

static uint8_t *read_file(const char *run, const char *name, size_t *size)
{
    char path[TERN_PATH_BYTES];
    tern_error error = { 0 };
    tern_run_path(run, name, path, &error);
    uint8_t *bytes = tern_file_read(path, size, &error);
    if (!bytes)
        fail_msg("%s", error.message);
    return bytes;
}

static bool same_file(const char *run_a, const char *run_b, const char *name)
{
    size_t size_a, size_b;
    uint8_t *a = read_file(run_a, name, &size_a), *b = read_file(run_b, name, &size_b);
    bool same = size_a == size_b && memcmp(a, b, size_a) == 0;
    free(a);
    free(b);
    return same;
}

/* metrics.jsonl as an array, without the seconds, which no two runs share. */
static json_t *metrics_of(const char *run)
{
    size_t size;
    char *text = (char *)read_file(run, "metrics.jsonl", &size), *rest = text;
    json_t *lines = json_array();
    for (char *line; (line = tern_line_next(&rest));) {
        json_t *metrics = json_loads(line, 0, NULL);
        if (!metrics)
            fail_msg("%s/metrics.jsonl: no JSON: %s", run, line);
        json_object_del(metrics, "seconds");
        json_array_append_new(lines, metrics);
    }
    free(text);
    return lines;
}

static void assert_same_run(const char *a, const char *b)
{
    json_t *metrics_a = metrics_of(a), *metrics_b = metrics_of(b);
    assert_int_equal(json_array_size(metrics_a), EPOCHS);
    assert_true(json_equal(metrics_a, metrics_b));
    json_decref(metrics_a);
    json_decref(metrics_b);
    assert_true(same_file(a, b, "last.safetensors"));
    assert_true(same_file(a, b, "best.safetensors"));
}

/* ------------------------------------------------------------- training -- */

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
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "longer"));
    opts.train.epochs = LONG;
    opts.train.augment = opts.train.modality_dropout = opts.train.auxiliary = 0;
    opts.model.dropout = -1;
    opts.progress = note_epoch_loss;
    opts.user = loss;
    run_or_fail(&opts, &result);
    assert_int_equal(result.epochs, LONG);
    assert_int_equal(result.steps, LONG * BATCHES);
    assert_true(result.parameters > 0 && result.flops_per_sample > 0);
    if (!(loss[LONG - 1] < 0.7 * loss[0]))
        fail_msg("loss %g after %d epochs, %g at first", loss[LONG - 1], LONG, loss[0]);
}

static void a_seed_gives_the_same_bits_for_any_number_of_threads_and_another_seed_others(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "again"));
    opts.threads = 2;
    run_or_fail(&opts, &result);
    assert_same_run(whole, run);

    opts.run = temporary_path(run, folder, "other-seed");
    opts.train.seed++;
    run_or_fail(&opts, &result);
    assert_false(same_file(whole, run, "last.safetensors"));
}

static void a_run_resumed_between_epochs_ends_with_the_same_bits(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "pieces"));
    opts.stop_after = 1;
    run_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 1);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 2, .stop_after = 2 };
    run_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 3);
    opts.stop_after = 0;
    run_or_fail(&opts, &result);
    assert_int_equal(result.epochs, EPOCHS);
    assert_same_run(whole, run);
    run_or_fail(&opts, &result); /* nothing is left to do */
    assert_same_run(whole, run);
}

static bool stop_when_counted_down(void *user)
{
    return --*(int *)user == 0;
}

/* Stopped within an epoch, and killed after it had written of that epoch all but the
 * checkpoint that counts, the last line of the metrics being torn. */
static void a_run_stopped_anywhere_ends_with_the_same_bits(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], path[TERN_PATH_BYTES];
    tern_train_result result;
    tern_error error = { 0 };
    int steps = BATCHES + 2;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "stopped"));
    opts.stop = stop_when_counted_down;
    opts.user = &steps;
    run_or_fail(&opts, &result);
    assert_true(result.stopped);
    assert_int_equal(result.epochs, 1);
    assert_int_equal(result.steps, BATCHES);

    assert_true(tern_run_path(run, "metrics.jsonl", path, &error));
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "{\"epoch\": 2, \"step\": 6}\n{\"epoch\": 3, \"st");
    fclose(file);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1 };
    run_or_fail(&opts, &result);
    assert_false(result.stopped);
    assert_same_run(whole, run);
}

/* What a run leaves that is stopped before its first epoch is over may be overwritten. */
static void a_run_stopped_in_its_first_epoch_begins_again(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    int steps = 1;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "first-epoch"));
    opts.stop = stop_when_counted_down;
    opts.user = &steps;
    run_or_fail(&opts, &result);
    assert_true(result.stopped);
    assert_int_equal(result.epochs, 0);
    opts.resume = true;
    assert_training_fails(&opts, TERN_ERR_STATE, "has no last.safetensors");
    opts.resume = false;
    opts.stop = NULL;
    run_or_fail(&opts, &result);
    assert_same_run(whole, run);
}

/* The epoch, from 1, of the first of the best validation UARs. */
static int64_t best_epoch_of(const char *run, double *best)
{
    json_t *metrics = metrics_of(run);
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
        tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, name));
        opts.model.fusion = TERN_FUSION_CONCAT;
        opts.train.epochs = LONG;
        opts.train.seed = (uint64_t)seed;
        run_or_fail(&opts, &result);
        best_epoch = best_epoch_of(run, &best);
    }
    assert_int_equal(result.best_epoch, best_epoch);
    assert_float_equal(result.best_uar, best, 1e-8);

    tern_score score;
    const tern_score_opts again = { .runs = (const char *[]){ run }, .run_count = 1,
                                    .data = manifest, .split = "valid", .threads = 1 };
    if (!tern_score_runs(&again, &score, &error))
        fail_msg("%s", error.message);
    assert_float_equal(score.metrics.uar, best, 1e-8);
    tern_score_free(&score);

    const tern_trainer_opts resume = { .run = run, .resume = true, .threads = 1 };
    run_or_fail(&resume, &result); /* known also where no epoch was run */
    assert_int_equal(result.best_epoch, best_epoch);
}

static void a_run_is_neither_overwritten_nor_resumed_on_other_data(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], moved[TEMPORARY_PATH_BYTES];
    size_t size;
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "guarded"));
    opts.stop_after = 1;
    run_or_fail(&opts, &result);
    assert_training_fails(&opts, TERN_ERR_STATE, "exists already");

    uint8_t *text = read_file(folder, "set.tsv", &size);
    assert_true(temporary_file(moved, folder, "moved.tsv", text, size));
    opts = (tern_trainer_opts){ .run = run, .resume = true, .data = moved, .stop_after = 1 };
    run_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 2);

    assert_true(temporary_file(moved, folder, "moved.tsv", text, size - 50));
    free(text);
    assert_training_fails(&opts, TERN_ERR_DATA, "is not what it was when run");
    opts.data = NULL;
    run_or_fail(&opts, &result); /* and the run is as good as before */
    assert_int_equal(result.epochs, 3);
}

/* Only what an abandoned run left may be written over. */
static void a_folder_with_results_or_anything_else_is_refused(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    size_t size, again;
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "results"));
    opts.train.epochs = 1;
    run_or_fail(&opts, &result);
    assert_int_equal(remove(temporary_path(path, folder, "results/last.safetensors")), 0);
    assert_training_fails(&opts, TERN_ERR_STATE, "results holds something already (");
    opts.resume = true;
    assert_training_fails(&opts, TERN_ERR_STATE,
                          "has no last.safetensors: it cannot be resumed; train into another");
    opts.resume = false;
    assert_int_equal(remove(temporary_path(path, folder, "results/metrics.jsonl")), 0);
    uint8_t *before = read_file(run, "best.safetensors", &size);
    assert_training_fails(&opts, TERN_ERR_STATE, "holds something already (best.safetensors)");
    uint8_t *after = read_file(run, "best.safetensors", &again);
    assert_int_equal(size, again);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);

    assert_true(temporary_file(path, folder, "thesis/chapter1.tex", "years of work", 13));
    opts.run = temporary_path(path, folder, "thesis");
    assert_training_fails(&opts, TERN_ERR_STATE, "thesis holds something already (chapter1.tex)");
}

/* The disk is full when last.safetensors is to be written, which is the largest file. */
static void a_full_disk_ends_a_run_at_the_epoch_before(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    size_t best, last;
    struct rlimit old;
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "full"));
    opts.stop_after = 2;
    run_or_fail(&opts, &result);
    free(read_file(run, "best.safetensors", &best));
    uint8_t *before = read_file(run, "last.safetensors", &last);
    assert_true(best < last);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { (best + last) / 2, old.rlim_max };
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1 };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_training_fails(&opts, TERN_ERR_IO, "full/last.safetensors: cannot be written");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

    uint8_t *after = read_file(run, "last.safetensors", &best);
    assert_int_equal(best, last);
    assert_memory_equal(before, after, last);
    free(before);
    free(after);
    run_or_fail(&opts, &result);
    assert_same_run(whole, run);
}

static void encoders_are_taken_over_only_with_their_words(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], words[TEMPORARY_PATH_BYTES];
    size_t size;
    tern_train_result result;
    const char *const init[] = { run };
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "source"));
    opts.model.streams = 1u << TERN_STREAM_TEXT;
    opts.train.epochs = 1;
    run_or_fail(&opts, &result);

    char warm[TEMPORARY_PATH_BYTES];
    opts = tiny_training(manifest, temporary_path(warm, folder, "warm"));
    opts.init = init;
    opts.init_count = 1;
    run_or_fail(&opts, &result);
    assert_false(same_file(whole, warm, "last.safetensors"));

    char *text = (char *)read_file(run, "vocabulary.txt", &size);
    char *word = strstr(text, "again");
    assert_non_null(word);
    memcpy(word, "niaga", 5);
    assert_true(temporary_file(words, run, "vocabulary.txt", text, size));
    free(text);
    opts.run = temporary_path(warm, folder, "colder");
    assert_training_fails(&opts, TERN_ERR_DATA, "source/vocabulary.txt: its words are not those of");
}

static void training_that_diverges_says_so(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(run, folder, "diverged"));
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
    assert_true(tiny_set_make(&set, folder, path));
    tern_trainer_opts opts = tiny_training(path, temporary_path(run, folder, "single"));
    opts.train.epochs = 1;
    run_or_fail(&opts, &result);
    json_t *metrics = metrics_of(run);
    assert_true(json_is_null(json_object_get(json_array_get(metrics, 0), "valid_auc")));
    json_decref(metrics);
}

/* ------------------------------------------------- evaluation, prediction -- */

static void a_run_is_evaluated_on_speakers_it_never_saw(void **state)
{
    (void)state;
    char other[TEMPORARY_PATH_BYTES];
    const tiny_set set = { "other.tsv", { 0, 0, 7 }, NULL };
    tern_error error = { 0 };
    tern_score score;
    assert_true(tiny_set_make(&set, folder, other));
    const tern_score_opts opts = { .runs = (const char *[]){ whole }, .run_count = 1,
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
    tern_score_opts opts = { .runs = (const char *[]){ whole, whole }, .run_count = 1,
                             .data = manifest, .split = "valid", .threads = 1 };
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
    assert_true(tiny_set_make(&set, folder, other));
    const tern_score_opts opts = { .runs = (const char *[]){ whole }, .run_count = 1,
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
    temporary_path(face, folder, "set.tsv.media/test1");
    temporary_path(audio, folder, "set.tsv.media/test1.wav");
    if (!tern_run_open(whole, NULL, 1, &run, &error))
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
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(path, folder, "speech"));
    opts.model.streams = 1u << TERN_STREAM_AUDIO;
    opts.train.epochs = 1;
    run_or_fail(&opts, &result);
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
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(a_seed_gives_the_same_bits_for_any_number_of_threads_and_another_seed_others),
        cmocka_unit_test(a_run_resumed_between_epochs_ends_with_the_same_bits),
        cmocka_unit_test(a_run_stopped_anywhere_ends_with_the_same_bits),
        cmocka_unit_test(a_run_stopped_in_its_first_epoch_begins_again),
        cmocka_unit_test(the_best_checkpoint_is_the_epoch_of_the_best_validation_uar),
        cmocka_unit_test(a_run_is_neither_overwritten_nor_resumed_on_other_data),
        cmocka_unit_test(a_folder_with_results_or_anything_else_is_refused),
        cmocka_unit_test(a_full_disk_ends_a_run_at_the_epoch_before),
        cmocka_unit_test(encoders_are_taken_over_only_with_their_words),
        cmocka_unit_test(training_that_diverges_says_so),
        cmocka_unit_test(a_valid_split_of_one_class_has_no_auc),
        cmocka_unit_test(a_run_is_evaluated_on_speakers_it_never_saw),
        cmocka_unit_test(averaging_a_run_with_itself_changes_nothing),
        cmocka_unit_test(a_class_that_the_run_does_not_know_is_refused),
        cmocka_unit_test(any_modalities_of_a_sample_may_be_missing),
        cmocka_unit_test(a_modality_that_the_model_lacks_is_refused),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
