/* Promises of resuming: a run can be stopped anywhere and goes on bit for bit, whatever it is
 * trained by, and no failure costs what was reached before. */
#include "training.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

static void a_run_resumed_between_epochs_ends_with_the_same_bits(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "pieces", run);
    opts.stop_after = 1;
    train_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 1);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 2, .stop_after = 2 };
    train_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 3);
    opts.stop_after = 0;
    train_or_fail(&opts, &result);
    assert_int_equal(result.epochs, TRAINING_EPOCHS);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
    train_or_fail(&opts, &result); /* nothing is left to do */
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
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
    int steps = TRAINING_BATCHES + 2;
    tern_trainer_opts opts = training_into(&data, "stopped", run);
    opts.stop = stop_when_counted_down;
    opts.user = &steps;
    train_or_fail(&opts, &result);
    assert_true(result.stopped);
    assert_int_equal(result.epochs, 1);
    assert_int_equal(result.steps, TRAINING_BATCHES);

    assert_true(tern_run_path(run, "metrics.jsonl", path, &error));
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "{\"epoch\": 2, \"step\": 6}\n{\"epoch\": 3, \"st");
    fclose(file);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1 };
    train_or_fail(&opts, &result);
    assert_false(result.stopped);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
}

/* What a run leaves that is stopped before its first epoch is over may be overwritten. */
static void a_run_stopped_in_its_first_epoch_begins_again(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    tern_train_result result;
    int steps = 1;
    tern_trainer_opts opts = training_into(&data, "first-epoch", run);
    opts.stop = stop_when_counted_down;
    opts.user = &steps;
    train_or_fail(&opts, &result);
    assert_true(result.stopped);
    assert_int_equal(result.epochs, 0);
    opts.resume = true;
    assert_training_fails(&opts, TERN_ERR_STATE, "has no last.safetensors");
    opts.resume = false;
    opts.stop = NULL;
    train_or_fail(&opts, &result);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
}

/* ------------------------------------------------ every way of training -- */

enum { MOST_SETTINGS = 7 };
typedef struct setting {
    const char *name, *settings[2 * MOST_SETTINGS]; /* option, value, ...; NULL at the end */
} setting;

static const setting ways[] = {
    { "sgd", { "optimizer", "sgd", "schedule", "step", "lr_every", "1", "lr_factor", "0.5" } },
    { "nesterov", { "optimizer", "sgd", "momentum", "0.9", "nesterov", "true", "ema", "0.9",
                    "schedule", "constant" } },
    { "adam", { "optimizer", "adam", "beta1", "0.8", "weight_decay", "0.1", "clip", "0",
                "schedule", "one_cycle", "warmup", "0.3" } },
    { "groups", { "ema", "0.99", "freeze", "face,text.embedding", "lr_scale.audio", "0.1",
                  "weight_decay.text", "0.5" } },
    { "focal", { "loss", "focal", "gamma", "1.5", "class_weight.sad", "3", "balance", "true" } },
    { "plateau", { "schedule", "plateau", "patience", "0", "lr_factor", "0.5", "lr", "0.1" } },
};

static tern_trainer_opts training_by(const setting *how, const char *name,
                                     char run[TEMPORARY_PATH_BYTES])
{
    tern_error error = { 0 };
    tern_trainer_opts opts = training_into(&data, name, run);
    for (const char *const *s = how->settings; *s; s += 2)
        if (!tern_train_opts_set(&opts.train, s[0], s[1], &error))
            fail_msg("%s: %s", how->name, error.message);
    return opts;
}

/* Stopped after the first epoch, and within the third; and none is the training of `whole`. */
static void every_way_of_training_goes_on_with_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char name[64], once[TEMPORARY_PATH_BYTES], pieces[TEMPORARY_PATH_BYTES];
        int steps = TRAINING_BATCHES + 1;
        tern_train_result result;
        snprintf(name, sizeof name, "%s-once", ways[i].name);
        tern_trainer_opts opts = training_by(&ways[i], name, once);
        train_or_fail(&opts, &result);
        snprintf(name, sizeof name, "%s-pieces", ways[i].name);
        opts = training_by(&ways[i], name, pieces);
        opts.stop_after = 1;
        train_or_fail(&opts, &result);
        opts = (tern_trainer_opts){ .run = pieces, .resume = true, .threads = 2,
                                    .stop = stop_when_counted_down, .user = &steps };
        train_or_fail(&opts, &result);
        assert_int_equal(result.epochs, 2);
        opts.stop = NULL;
        train_or_fail(&opts, &result);
        assert_same_run(once, pieces, TRAINING_EPOCHS);
        assert_false(same_run_file(once, data.whole, "metrics.jsonl"));
    }
}

/* The plateau's rate is known from the losses on disk, which must be those of the run. */
static void a_plateau_has_dropped_before_and_after_a_stop_or_is_refused(void **state)
{
    (void)state;
    enum { LONG = 8, HALF = 4 };
    static const setting eager = { "eager", { "schedule", "plateau", "patience", "0", "lr", "10",
                                          "lr_factor", "0.1" } },
                     patient = { "patient", { "schedule", "plateau", "patience", "100", "lr", "10",
                                              "lr_factor", "0.1" } };
    char once[TEMPORARY_PATH_BYTES], other[TEMPORARY_PATH_BYTES], pieces[TEMPORARY_PATH_BYTES];
    char path[TERN_PATH_BYTES];
    tern_error error = { 0 };
    tern_train_result result;
    tern_trainer_opts opts = training_by(&eager, "eager", once);
    opts.train.epochs = LONG;
    train_or_fail(&opts, &result);
    opts = training_by(&patient, "patient", other);
    opts.train.epochs = LONG;
    opts.stop_after = HALF;
    train_or_fail(&opts, &result);
    json_t *eager_metrics = metrics_of_run(once), *patient_metrics = metrics_of_run(other);
    assert_false(json_equal(json_array_get(eager_metrics, HALF - 1),
                            json_array_get(patient_metrics, HALF - 1))); /* it has dropped */
    json_decref(eager_metrics);
    json_decref(patient_metrics);

    opts = training_by(&eager, "eager-pieces", pieces);
    opts.train.epochs = LONG;
    opts.stop_after = HALF;
    train_or_fail(&opts, &result);
    opts = (tern_trainer_opts){ .run = pieces, .resume = true, .threads = 1 };
    train_or_fail(&opts, &result);
    assert_same_run(once, pieces, LONG);

    assert_true(tern_run_path(other, "metrics.jsonl", path, &error));
    assert_int_equal(truncate(path, 0), 0);
    opts = (tern_trainer_opts){ .run = other, .resume = true, .threads = 1 };
    assert_training_fails(&opts, TERN_ERR_DATA, "tells of 0 epochs, the run has finished 4");
}

/* config.json of a run that was begun before these options were there. */
static void a_run_of_an_older_version_goes_on(void **state)
{
    (void)state;
    static const char *const newer[] = { "optimizer", "beta1", "beta2", "eps", "momentum",
                                         "nesterov", "ema", "freeze", "loss", "gamma" };
    char run[TEMPORARY_PATH_BYTES], path[TERN_PATH_BYTES];
    tern_error error = { 0 };
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "older", run);
    opts.stop_after = 2;
    train_or_fail(&opts, &result);
    assert_true(tern_run_path(run, "config.json", path, &error));
    json_t *config = json_load_file(path, 0, NULL);
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        assert_int_equal(json_object_del(json_object_get(config, "train"), newer[i]), 0);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1 };
    train_or_fail(&opts, &result);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
}

/* ------------------------------------------------------------- failures -- */

static void a_run_is_neither_overwritten_nor_resumed_on_other_data(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], moved[TEMPORARY_PATH_BYTES];
    size_t size;
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "guarded", run);
    opts.stop_after = 1;
    train_or_fail(&opts, &result);
    assert_training_fails(&opts, TERN_ERR_STATE, "exists already");

    uint8_t *text = read_run_file(data.folder, "set.tsv", &size);
    assert_true(temporary_file(moved, data.folder, "moved.tsv", text, size));
    opts = (tern_trainer_opts){ .run = run, .resume = true, .data = moved, .stop_after = 1 };
    train_or_fail(&opts, &result);
    assert_int_equal(result.epochs, 2);

    assert_true(temporary_file(moved, data.folder, "moved.tsv", text, size - 50));
    free(text);
    assert_training_fails(&opts, TERN_ERR_DATA, "is not what it was when run");
    opts.data = NULL;
    train_or_fail(&opts, &result); /* and the run is as good as before */
    assert_int_equal(result.epochs, 3);
}

/* Only what an abandoned run left may be written over. */
static void a_folder_with_results_or_anything_else_is_refused(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    size_t size, again;
    tern_train_result result;
    tern_trainer_opts opts = training_into(&data, "results", run);
    opts.train.epochs = 1;
    train_or_fail(&opts, &result);
    assert_int_equal(remove(temporary_path(path, data.folder, "results/last.safetensors")), 0);
    assert_training_fails(&opts, TERN_ERR_STATE, "results holds something already (");
    opts.resume = true;
    assert_training_fails(&opts, TERN_ERR_STATE,
                          "has no last.safetensors: it cannot be resumed; train into another");
    opts.resume = false;
    assert_int_equal(remove(temporary_path(path, data.folder, "results/metrics.jsonl")), 0);
    uint8_t *before = read_run_file(run, "best.safetensors", &size);
    assert_training_fails(&opts, TERN_ERR_STATE, "holds something already (best.safetensors)");
    uint8_t *after = read_run_file(run, "best.safetensors", &again);
    assert_int_equal(size, again);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);

    assert_true(temporary_file(path, data.folder, "thesis/chapter1.tex", "years of work", 13));
    opts.run = temporary_path(path, data.folder, "thesis");
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
    tern_trainer_opts opts = training_into(&data, "full", run);
    opts.stop_after = 2;
    train_or_fail(&opts, &result);
    free(read_run_file(run, "best.safetensors", &best));
    uint8_t *before = read_run_file(run, "last.safetensors", &last);
    assert_true(best < last);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { (best + last) / 2, old.rlim_max };
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1 };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_training_fails(&opts, TERN_ERR_IO, "full/last.safetensors: cannot be written");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

    uint8_t *after = read_run_file(run, "last.safetensors", &best);
    assert_int_equal(best, last);
    assert_memory_equal(before, after, last);
    free(before);
    free(after);
    train_or_fail(&opts, &result);
    assert_same_run(data.whole, run, TRAINING_EPOCHS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_resumed_between_epochs_ends_with_the_same_bits),
        cmocka_unit_test(a_run_stopped_anywhere_ends_with_the_same_bits),
        cmocka_unit_test(a_run_stopped_in_its_first_epoch_begins_again),
        cmocka_unit_test(every_way_of_training_goes_on_with_the_same_bits),
        cmocka_unit_test(a_plateau_has_dropped_before_and_after_a_stop_or_is_refused),
        cmocka_unit_test(a_run_of_an_older_version_goes_on),
        cmocka_unit_test(a_run_is_neither_overwritten_nor_resumed_on_other_data),
        cmocka_unit_test(a_folder_with_results_or_anything_else_is_refused),
        cmocka_unit_test(a_full_disk_ends_a_run_at_the_epoch_before),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
