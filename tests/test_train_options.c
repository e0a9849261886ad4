/* Promises of training options: what is set is kept in config.json, what makes no sense is
 * refused in words that help. */
#include "tests/check.h"

#include "train/optimiser.h"
#include "train/options.h"
#include "train/schedule.h"

#include <string.h>

static void set_or_fail(tern_train_opts *opts, const char *name, const char *value)
{
    tern_error error = { 0 };
    if (!tern_train_opts_set(opts, name, value, &error))
        fail_msg("%s", error.message);
}

static void every_option_survives_the_way_through_json(void **state)
{
    (void)state;
    static const char *const settings[][2] = {
        { "epochs", "7" }, { "batch", "9" }, { "seed", "123456789012" }, { "optimizer", "sgd" },
        { "lr", "0.0123" }, { "weight_decay", "0.5" }, { "momentum", "0.875" },
        { "nesterov", "true" }, { "clip", "0" }, { "ema", "0.99" },
        { "freeze", "face,text.*.bias" }, { "lr_scale.audio", "0.1" }, { "lr_scale.*.weight", "3" },
        { "weight_decay.text", "0" }, { "schedule", "plateau" }, { "warmup", "0.25" },
        { "lr_factor", "0.2" }, { "patience", "5" }, { "loss", "focal" }, { "gamma", "1.5" },
        { "balance", "1" }, { "class_weight.very sad", "2.5" }, { "auxiliary", "0" },
        { "modality_dropout", "0.5" }, { "augment", "2" },
    };
    tern_error error = { 0 };
    tern_train_opts opts = tern_train_opts_default(), back;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        set_or_fail(&opts, settings[i][0], settings[i][1]);
    assert_true(tern_train_opts_resolve(&opts, &error));
    json_t *json = tern_train_opts_to_json(&opts);
    if (!tern_train_opts_from_json(json, &back, &error))
        fail_msg("%s", error.message);
    json_t *again = tern_train_opts_to_json(&back);
    assert_true(json_equal(json, again));
    json_decref(json);
    json_decref(again);

    assert_int_equal(back.optimizer, TERN_OPTIMISER_SGD);
    assert_int_equal(back.schedule, TERN_SCHEDULE_PLATEAU);
    assert_int_equal(back.loss, TERN_LOSS_FOCAL);
    assert_true(back.seed == 123456789012 && back.nesterov && back.balance && back.lr == 0.0123);
    assert_string_equal(back.freeze, "face,text.*.bias");
    assert_int_equal(back.lr_scale.count, 2);
    assert_string_equal(back.lr_scale.at[1].name, "*.weight");
    assert_true(back.lr_scale.at[1].value == 3);
    assert_int_equal(back.group_decay.count, 1);
    assert_true(back.weight_decay == 0.5 && back.group_decay.at[0].value == 0);
    assert_string_equal(back.class_weight.at[0].name, "very sad");
}

static void a_name_that_is_set_twice_has_the_last_number(void **state)
{
    (void)state;
    tern_train_opts opts = tern_train_opts_default();
    set_or_fail(&opts, "lr_scale.face", "2");
    set_or_fail(&opts, "lr_scale.face", "3");
    assert_int_equal(opts.lr_scale.count, 1);
    assert_true(opts.lr_scale.at[0].value == 3);
}

static void what_cannot_be_set_is_refused_with_what_could(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "optmizer", "sgd", "there is no training option optmizer, did you mean optimizer?" },
        { "lr_scal.face", "1", "no training option lr_scal.face, did you mean lr_scale.face?" },
        { "zebra", "1", "there is no training option zebra" },
        { "zebra.face", "1", "there is no training option zebra.face" },
        { "optimizer", "sdg", "one of adamw, adam, sgd wanted, did you mean sgd?" },
        { "schedule", "cosin", "one of cosine, constant, step, one_cycle, plateau wanted, did you "
                               "mean cosine?" },
        { "loss", "mse", "loss=mse: one of cross_entropy, focal wanted" },
        { "nesterov", "yes", "nesterov=yes: true or false wanted" },
        { "lr", "fast", "lr=fast: a number wanted" },
        { "lr", "-1", "lr is -1, it must be a number from 0 to 10" },
        { "lr", "nan", "lr is nan, it must be a number from 0 to 10" },
        { "epochs", "1.5", "epochs is 1.5, it must be a whole number from 1" },
        { "beta1", "0", "beta1 is 0, it must be a number from 1e-06 to 0.999999" },
        { "ema", "1", "ema is 1, it must be a number from 0 to 0.999999" },
        { "lr_scale", "2", "lr_scale: of what? lr_scale.NAME=2 is wanted" },
        { "lr_scale.", "2", "a name is wanted after lr_scale." },
        { "lr_scale.face", "0", "lr_scale.face is 0, it must be a number from 1e-06" },
        { "weight_decay.face", "much", "weight_decay.face=much: a number wanted" },
        { "class_weight.sad", "-1", "class_weight.sad is -1, it must be a number from 0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_error error = { 0 };
        tern_train_opts opts = tern_train_opts_default();
        assert_false(tern_train_opts_set(&opts, cases[i][0], cases[i][1], &error));
        assert_int_equal(error.code, TERN_ERR_OPTION);
        if (!strstr(error.message, cases[i][2]))
            fail_msg("wanted \"%s\", got \"%s\"", cases[i][2], error.message);
    }
}

static void names_that_are_too_long_or_too_many_are_refused(void **state)
{
    (void)state;
    char longest[400] = "lr_scale.", name[32];
    tern_error error = { 0 };
    tern_train_opts opts = tern_train_opts_default();
    memset(longest + 9, 'x', sizeof longest - 10);
    assert_false(tern_train_opts_set(&opts, longest, "1", &error));
    assert_non_null(strstr(error.message, "a shorter name is wanted after lr_scale."));
    error = (tern_error){ 0 };
    assert_false(tern_train_opts_set(&opts, "freeze", longest, &error));
    assert_non_null(strstr(error.message, "399 characters, 255 are possible"));
    error = (tern_error){ 0 };
    for (int i = 0; i < TERN_MAX_NAMED; i++) {
        snprintf(name, sizeof name, "lr_scale.layer%d", i);
        set_or_fail(&opts, name, "2");
    }
    assert_false(tern_train_opts_set(&opts, "lr_scale.more", "2", &error));
    assert_non_null(strstr(error.message, "lr_scale.more: more than 16 numbers of lr_scale"));
}

static void an_option_that_acts_on_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][5] = {
        { "momentum", "0.9", "optimizer", "adam", "momentum is for optimizer=sgd, it is adam" },
        { "beta2", "0.9", "optimizer", "sgd", "beta2 is for optimizer=adamw or adam, it is sgd" },
        { "patience", "5", "schedule", "step", "patience is for schedule=plateau, it is step" },
        { "lr_factor", "0.5", "schedule", "cosine",
          "lr_factor is for schedule=step or plateau, it is cosine" },
        { "gamma", "1", "loss", "cross_entropy", "gamma is for loss=focal, it is cross_entropy" },
        { "label_smoothing", "0.1", "loss", "focal",
          "label_smoothing is for loss=cross_entropy, it is focal" },
        { "nesterov", "true", "optimizer", "sgd", "nesterov needs a momentum above 0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tern_error error = { 0 };
        tern_train_opts opts = tern_train_opts_default();
        set_or_fail(&opts, cases[i][0], cases[i][1]);
        set_or_fail(&opts, cases[i][2], cases[i][3]);
        assert_false(tern_train_opts_resolve(&opts, &error));
        if (!strstr(error.message, cases[i][4]))
            fail_msg("wanted \"%s\", got \"%s\"", cases[i][4], error.message);
    }
}

static void numbers_that_a_program_sets_are_checked_too(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_train_opts opts = tern_train_opts_default();
    opts.optimizer = 7;
    assert_false(tern_train_opts_resolve(&opts, &error));
    assert_string_equal(error.message, "optimizer is 7, it must be a whole number from 0 to 2");
    error = (tern_error){ 0 };
    opts = tern_train_opts_default();
    opts.lr_scale = (tern_named_numbers){ 1, { { "face", -3 } } };
    assert_false(tern_train_opts_resolve(&opts, &error));
    assert_non_null(strstr(error.message, "lr_scale.face is -3"));
}

/* What is wrong with a configuration whose `key` is `value`; NULL: it is not there. */
static void assert_json_fails(const char *key, json_t *value, const char *text)
{
    tern_error error = { 0 };
    tern_train_opts opts = tern_train_opts_default();
    json_t *json = tern_train_opts_to_json(&opts);
    if (value)
        json_object_set_new(json, key, value);
    else
        json_object_del(json, key);
    assert_false(tern_train_opts_from_json(json, &opts, &error));
    if (!strstr(error.message, text))
        fail_msg("wanted \"%s\", got \"%s\"", text, error.message);
    json_decref(json);
}

static void a_damaged_configuration_is_refused_by_key(void **state)
{
    (void)state;
    assert_json_fails("schedule", json_integer(2), "\"schedule\" must be a name");
    assert_json_fails("optimizer", json_string("rmsprop"), "optimizer=rmsprop: one of adamw");
    assert_json_fails("nesterov", json_integer(1), "\"nesterov\" must be true or false");
    assert_json_fails("freeze", json_false(), "\"freeze\" must be a text");
    assert_json_fails("lr", json_string("1"), "\"lr\" must be a number");
    assert_json_fails("lr", NULL, "\"lr\" must be a number");
    assert_json_fails("lr_scale.face", json_string("1"), "\"lr_scale.face\" must be a number");
    assert_json_fails("lr_scale", json_integer(1), "unknown key \"lr_scale\" in \"train\"");
    assert_json_fails("mometum", json_integer(1), "did you mean \"momentum\"?");
}

static void configurations_of_older_runs_have_the_defaults_of_newer_options(void **state)
{
    (void)state;
    static const char *const newer[] = { "optimizer", "schedule", "patience", "ema", "freeze",
                                         "loss" };
    tern_error error = { 0 };
    tern_train_opts opts = tern_train_opts_default(), back;
    opts.patience = 7;
    json_t *json = tern_train_opts_to_json(&opts);
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        json_object_del(json, newer[i]);
    assert_true(tern_train_opts_from_json(json, &back, &error));
    assert_int_equal(back.optimizer, TERN_OPTIMISER_ADAMW);
    assert_int_equal(back.schedule, TERN_SCHEDULE_COSINE);
    assert_int_equal(back.patience, 3);
    json_decref(json);
}

/* Does a line of help begin with this text? */
static bool help_has(const char *wanted)
{
    char text[TERN_OPTION_TEXT];
    const char *doc;
    for (int i = 0; tern_train_option_help(i, text, &doc); i++)
        if (strncmp(text, wanted, strlen(wanted)) == 0)
            return *doc != '\0';
    return false;
}

static void help_tells_of_every_option_and_its_default(void **state)
{
    (void)state;
    tern_train_opts opts = tern_train_opts_default();
    json_t *json = tern_train_opts_to_json(&opts), *value;
    const char *key;
    json_object_foreach(json, key, value) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s=", key);
        if (!help_has(wanted))
            fail_msg("help does not tell of %s", key);
    }
    json_decref(json);
    assert_true(help_has("lr=0.001") && help_has("optimizer=adamw") && help_has("nesterov=false"));
    assert_true(help_has("lr_scale.NAME=X") && help_has("weight_decay.NAME=X") &&
                help_has("class_weight.NAME=X"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_survives_the_way_through_json),
        cmocka_unit_test(a_name_that_is_set_twice_has_the_last_number),
        cmocka_unit_test(what_cannot_be_set_is_refused_with_what_could),
        cmocka_unit_test(names_that_are_too_long_or_too_many_are_refused),
        cmocka_unit_test(an_option_that_acts_on_nothing_is_refused),
        cmocka_unit_test(numbers_that_a_program_sets_are_checked_too),
        cmocka_unit_test(a_damaged_configuration_is_refused_by_key),
        cmocka_unit_test(configurations_of_older_runs_have_the_defaults_of_newer_options),
        cmocka_unit_test(help_tells_of_every_option_and_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
