/* Promises of what training may be told of some parameters or classes: frozen encoders stay
 * as they are, the average of the weights is what counts where there is one, classes weigh
 * what they were given. */
#include "training.h"

#include "core/safetensors.h"
#include "infer/score.h"

#include <stdlib.h>
#include <string.h>
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

static void set_or_fail(tern_trainer_opts *opts, const char *name, const char *value)
{
    tern_error error = { 0 };
    if (!tern_train_opts_set(&opts->train, name, value, &error))
        fail_msg("%s", error.message);
}

static tern_safetensors *open_checkpoint(const char *run, const char *name)
{
    char path[TERN_PATH_BYTES];
    tern_error error = { 0 };
    tern_run_path(run, name, path, &error);
    tern_safetensors *file = tern_safetensors_open(path, &error);
    if (!file)
        fail_msg("%s", error.message);
    return file;
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Does `b` hold the same bits as `a` under a name with a prefix? */
static bool same_tensor(const tern_safetensors *a, const tern_safetensors *b, const char *name,
                        const char *prefix)
{
    char other[256];
    tern_error error = { 0 };
    snprintf(other, sizeof other, "%s%s", prefix, name);
    const tern_stored *one = tern_safetensors_find(a, name, &error);
    const tern_stored *two = tern_safetensors_find(b, other, &error);
    if (!one || !two)
        fail_msg("%s", error.message);
    return one->bytes == two->bytes && memcmp(one->data, two->data, one->bytes) == 0;
}

/* --------------------------------------------------------------- freeze -- */

/* The running statistics of its batch norms too; only their count of batches goes on. */
static void a_frozen_encoder_keeps_every_bit_and_the_rest_learns(void **state)
{
    (void)state;
    char source[TEMPORARY_PATH_BYTES], run[TEMPORARY_PATH_BYTES];
    const char *const init[] = { source };
    tern_train_result result;
    int frozen = 0, moved = 0, alike = 0;
    tern_trainer_opts opts = training_into(&data, "face", source);
    opts.model.streams = 1u << TERN_STREAM_FACE;
    train_or_fail(&opts, &result);

    opts = training_into(&data, "frozen", run);
    opts.init = init;
    opts.init_count = 1;
    set_or_fail(&opts, "freeze", "face");
    set_or_fail(&opts, "ema", "0.9");
    train_or_fail(&opts, &result);
    tern_safetensors *before = open_checkpoint(source, "best.safetensors");
    tern_safetensors *begun = open_checkpoint(data.whole, "last.safetensors");
    tern_safetensors *last = open_checkpoint(run, "last.safetensors");
    for (int i = 0; i < tern_safetensors_count(last); i++) {
        const char *name = tern_safetensors_name(last, i);
        if (begins(name, "optimizer.exp_avg.face.") || begins(name, "optimizer.exp_avg_sq.face."))
            fail_msg("%s: a frozen parameter has no moments", name);
        if (begins(name, "face.") && !strstr(name, "num_batches_tracked")) {
            assert_true(same_tensor(before, last, name, ""));
            frozen++;
        } else if (begins(name, "audio.") && strstr(name, "weight")) {
            alike += same_tensor(begun, last, name, "");
            moved++;
        }
    }
    assert_true(frozen > 20 && moved > 3 && alike == 0);
    tern_safetensors_close(before);
    tern_safetensors_close(begun);
    tern_safetensors_close(last);
}

static void groups_of_no_parameter_or_class_are_refused_before_anything_is_written(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "freeze", "fase", "freeze: no parameter's name fits fase, did you mean face?" },
        { "freeze", "face,,text", "freeze: no parameter's name fits " },
        { "freeze", "*", "freeze=* leaves nothing to train" },
        { "lr_scale.text.embeding", "2", "did you mean text.embedding?" },
        { "weight_decay.*.bias", "1", "weight_decay: weight decay of *.bias: biases, norms" },
        { "class_weight.sadd", "2", "set.tsv has no such class, did you mean sad?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char run[TEMPORARY_PATH_BYTES];
        tern_trainer_opts opts = training_into(&data, "refused", run);
        set_or_fail(&opts, cases[i][0], cases[i][1]);
        tern_status code = i < 2 || i == 3 ? TERN_ERR_ARGUMENT : TERN_ERR_OPTION;
        assert_training_fails(&opts, code, cases[i][2]);
        assert_int_not_equal(access(run, F_OK), 0);
    }
}

/* -------------------------------------------------------------- average -- */

/* One epoch, so that the best is the last. */
static void the_average_is_what_is_evaluated_and_kept(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES];
    int same = 0, averaged = 0;
    tern_error error = { 0 };
    tern_train_result result;
    tern_score score;
    tern_trainer_opts opts = training_into(&data, "ema", run);
    opts.train.epochs = 1;
    set_or_fail(&opts, "ema", "0.9");
    train_or_fail(&opts, &result);

    tern_safetensors *best = open_checkpoint(run, "best.safetensors");
    tern_safetensors *last = open_checkpoint(run, "last.safetensors");
    for (int i = 0; i < tern_safetensors_count(best); i++) {
        const char *name = tern_safetensors_name(best, i);
        if (strstr(name, "num_batches_tracked"))
            continue;
        assert_true(same_tensor(best, last, name, "ema."));
        same += same_tensor(best, last, name, "");
        averaged++;
    }
    assert_true(averaged > 50 && same < averaged / 10); /* what no gradient reached is the same */
    tern_safetensors_close(best);
    tern_safetensors_close(last);

    const tern_score_opts again = { .runs = (const char *[]){ run }, .run_count = 1,
                                    .data = data.manifest, .split = "valid", .threads = 1 };
    if (!tern_score_runs(&again, &score, &error))
        fail_msg("%s", error.message);
    assert_float_equal(score.metrics.uar, result.best_uar, 1e-12);
    tern_score_free(&score);
}

/* --------------------------------------------------------------- losses -- */

static double metric(const json_t *metrics, size_t epoch, const char *name)
{
    return json_number_value(json_object_get(json_array_get(metrics, epoch), name));
}

/* Then the loss on the training split, in which nothing else counts, falls, and that on the
 * validation split, in which every class counts, rises. */
static void a_class_that_alone_has_weight_is_alone_learnt_with_either_loss(void **state)
{
    (void)state;
    enum { LONG = 8 };
    static const char *const losses[] = { "cross_entropy", "focal" };
    for (int i = 0; i < 2; i++) {
        char run[TEMPORARY_PATH_BYTES];
        tern_train_result result;
        tern_trainer_opts opts = training_into(&data, losses[i], run);
        set_or_fail(&opts, "loss", losses[i]);
        set_or_fail(&opts, "class_weight.angry", "0");
        set_or_fail(&opts, "class_weight.happy", "0");
        opts.train.epochs = LONG;
        train_or_fail(&opts, &result);
        json_t *metrics = metrics_of_run(run);
        double trained = metric(metrics, LONG - 1, "train_loss") / metric(metrics, 0, "train_loss");
        double valid = metric(metrics, LONG - 1, "valid_loss") / metric(metrics, 0, "valid_loss");
        if (!(trained < 0.6 && valid > 1.3))
            fail_msg("%s: the loss in training fell to %g of what it was, in validation to %g",
                     losses[i], trained, valid);
        json_decref(metrics);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frozen_encoder_keeps_every_bit_and_the_rest_learns),
        cmocka_unit_test(groups_of_no_parameter_or_class_are_refused_before_anything_is_written),
        cmocka_unit_test(the_average_is_what_is_evaluated_and_kept),
        cmocka_unit_test(a_class_that_alone_has_weight_is_alone_learnt_with_either_loss),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
