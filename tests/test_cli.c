/* Promises of the tern program: slips of the finger that are understood, JSON that parses,
 * an end in good order when it is interrupted. */
#include "check.h"
#include "program.h"
#include "tiny_set.h"

#include "datasets/file.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES];
static char run[TEMPORARY_PATH_BYTES]; /* trained by the program */

static int make_run(void **state)
{
    (void)state;
    const tiny_set set = { "set.tsv", { 18, 6, 6 }, NULL };
    program p;
    if (!temporary_folder_make(folder) || !tiny_set_make(&set, folder, manifest))
        return -1;
    program_train(&p, manifest, temporary_path(run, folder, "runs/first"), NULL);
    program_wait(&p);
    if (p.status)
        print_error("%s", p.err);
    int status = p.status;
    program_free(&p);
    return status;
}

static int remove_run(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

#define tern(p, ...) program_run(p, (const char *const[]){ __VA_ARGS__, NULL })

/* --------------------------------------------------------------- version -- */

static void version_tells_what_is_there(void **state)
{
    (void)state;
    program p;
    tern(&p, "--version");
    assert_int_equal(p.status, 0);
    assert_string_equal(p.err, "");
    assert_non_null(strstr(p.out, "tern " TERN_VERSION "\n"));
    assert_non_null(strstr(p.out, "\nSIMD "));
    assert_non_null(strstr(p.out, "\ncompiler "));
    assert_non_null(strstr(p.out, "\ncuda "));
    assert_non_null(strstr(p.out, "\ncuda-sim    /"));
    assert_non_null(strstr(p.out, "\nOpenBLAS "));
    assert_non_null(strstr(p.out, "\nlibsndfile  1."));
    program_free(&p);
}

/* ----------------------------------------------------------------- slips -- */

static const struct {
    const char *argv[12], *says;
} slips[] = {
    { { "trian" }, "there is no command trian, did you mean train?" },
    { { "data", "sinth" }, "did you mean synth?" },
    { { "train", "--epohcs", "3" }, "unknown option --epohcs, did you mean --epochs?" },
    { { "train", "--epohcs=3" }, "unknown option --epohcs, did you mean --epochs?" },
    { { "train", "-epochs", "3" }, "unknown option -epochs, did you mean --epochs?" },
    { { "train", "--data", "--run", "r" }, "--data wants TSV, not --run" },
    { { "train", "--data", "d", "--run" }, "--run wants FOLDER" },
    { { "train", "--run", "r" }, "--data and --run are needed" },
    { { "train", "--data", "d", "--run", "r", "more" }, "unexpected argument more" },
    { { "train", "--data", "d", "--run", "r", "--epochs", "ten" },
      "--epochs wants a whole number from 1 on, not ten" },
    { { "train", "--data", "d", "--run", "r", "--epochs", "0" },
      "--epochs wants a whole number from 1 on, not 0" },
    { { "train", "--data", "d", "--run", "r", "--epochs", "1", "--set", "epochs=3" },
      "--epochs and --set epochs=3 are both given" },
    { { "train", "--data", "d", "--run", "r", "--set", "lr=1", "--set", "lr=2" },
      "--set lr is given twice" },
    { { "train", "--data", "d", "--run", "r", "--augment", "5" },
      "augment is 5, it must be a number from 0 to 4" },
    { { "train", "--data", "d", "--run", "r", "--seed", "-3" },
      "--seed wants a whole number from 0 on, not -3" },
    /* A zero does not stand for the default. */
    { { "data", "synth", "d", "--train", "0" },
      "--train wants a whole number from 1 on, not 0" },
    { { "data", "synth", "d", "--frames", "0" }, "--frames wants a whole number from 1 on" },
    { { "data", "synth", "d", "--seconds", "0" }, "--seconds wants a number above 0, not 0" },
    { { "data", "synth", "d", "--seed", "-3" }, "--seed wants a whole number from 0 on" },
    { { "data", "paired", "d", "--test-pairs", "0" }, "--test-pairs wants a whole number" },
    { { "data", "paired", "d", "--test-fraction", "0" }, "--test-fraction wants a number above" },
    { { "data", "paired", "d", "--faces", "f", "--audio", "a", "--text", "t", "--valid-pairs",
        "1000000000" }, "1000000000 valid and 1400 test pairs; 7 to 1000000 of each" },
    { { "data", "paired", "d", "--faces", "f", "--audio", "a", "--text", "t",
        "--epoch-samples", "99999999999" }, "99999999999 samples an epoch; 1 to 4294967295" },
    { { "eval", "--run", "r", "--data", "d", "--batch", "0" },
      "--batch wants a whole number from 1 on, not 0" },
    { { "train", "--data", "d", "--run", "r", "--threads", "-1" },
      "--threads wants a whole number from 0 on, not -1" },
    { { "train", "--data", "d", "--run", "r", "--quiet=yes" }, "--quiet takes no value" },
    { { "train", "--data", "d", "--run", "r", "--fusion", "crosmodal" },
      "there is no fusion crosmodal, did you mean crossmodal?" },
    { { "train", "--data", "d", "--run", "r", "--modalities", "face,adio" },
      "there is no modality adio, did you mean audio?" },
    { { "train", "--data", "d", "--run", "r", "--set", "weight_deacy=1" },
      "there is no training option weight_deacy, did you mean weight_decay?" },
    { { "train", "--data", "d", "--run", "r", "--set", "model.sise=1" },
      "there is no model option sise, did you mean size?" },
    { { "train", "--data", "d", "--run", "r", "--set", "model.size=0" },
      "model.size=0: a whole number from 4 to 4096 wanted" },
    { { "train", "--data", "d", "--run", "r", "--set", "lr" }, "option=value wanted" },
    { { "train", "--data", "d", "--run", "r", "--set", "lr=fast" }, "lr=fast: a number wanted" },
    { { "train", "--data", "d", "--run", "r", "--set", "optimizer=sdg" }, "did you mean sgd?" },
    { { "train", "--data", "d", "--run", "r", "--set", "nesterov=true", "--set",
        "optimizer=sgd" },
      "nesterov needs a momentum above 0" },
    { { "train", "--run", "r", "--resume", "--lr", "1" }, "--lr is not to be given" },
    { { "eval", "--run", "r" }, "--run and --data are needed" },
    { { "predict", "--txt", "hello" }, "unknown option --txt, did you mean --text?" },
    { { "ops", "linaer" }, "there is no op linaer, did you mean linear?" },
    { { "gradcheck", "sofmax" }, "there is no op sofmax, did you mean softmax?" },
    { { "op", "linear" }, "--in and --out are needed" },
    { { "op", "--in", "i", "--out", "o" }, "wanted: tern op NAME" },
    { { "op", "conv2d", "--in", "i", "--out", "o", "--set", "pad=1", "--set", "pad=2" },
      "--set pad is given twice" },
    { { "op", "linear", "--in", "i", "--out", "o", "--device", "cqu" }, "did you mean cpu?" },
    { { "op", "matmul", "--in", "i", "--out", "o", "--provider", "openbals" },
      "matmul has no provider openbals on cpu, did you mean openblas?" },
};

static void a_slip_of_the_finger_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++) {
        program p;
        program_run(&p, slips[i].argv);
        if (p.status != 1 && p.status != 2)
            fail_msg("exit status %d where an error was wanted: %s", p.status, slips[i].says);
        assert_string_equal(p.out, "");
        if (!strstr(p.err, slips[i].says) || strncmp(p.err, "tern", 4) != 0)
            fail_msg("wanted \"%s\", got: %s", slips[i].says, p.err);
        program_free(&p);
    }
}

/* --------------------------------------------------------------- options -- */

static void help_of_train_lists_what_can_be_set(void **state)
{
    (void)state;
    static const char *const lines[] = { "\n  optimizer=adamw ", "\n  ema=0 ",
                                         "\n  freeze=NAME,... ", "\n  lr_scale.NAME=X ",
                                         "\n  schedule=cosine ", "\n  model.size=128 " };
    program p;
    tern(&p, "train", "--help");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!strstr(p.out, lines[i]))
            fail_msg("tern train --help has no \"%s\"", lines[i] + 1);
    program_free(&p);
}

static void what_is_set_is_kept_in_the_run_and_resumed(void **state)
{
    (void)state;
    static const char *const more[] = { "--quiet", "--set", "optimizer=sgd", "--set", "momentum=0.9",
                                        "--set", "nesterov=1", "--set", "ema=0.9", "--set",
                                        "freeze=face", "--set", "lr_scale.audio=0.5", "--set",
                                        "loss=focal", NULL };
    char path[TEMPORARY_PATH_BYTES], name[] = "runs/set/config.json";
    program p;
    program_train(&p, manifest, temporary_path(path, folder, "runs/set"), more);
    program_wait(&p);
    assert_int_equal(p.status, 0);
    program_free(&p);
    tern(&p, "train", "--run", path, "--resume", "--quiet");
    assert_int_equal(p.status, 0);
    program_free(&p);
    json_t *config = json_load_file(temporary_path(path, folder, name), 0, NULL);
    const json_t *train = json_object_get(config, "train");
    assert_string_equal(json_string_value(json_object_get(train, "optimizer")), "sgd");
    assert_string_equal(json_string_value(json_object_get(train, "freeze")), "face");
    assert_true(json_real_value(json_object_get(train, "lr_scale.audio")) == 0.5);
    json_decref(config);
}

/* ------------------------------------------------------------------ JSON -- */

static json_t *parse(const program *p)
{
    json_error_t problem;
    json_t *json = p->status ? NULL : json_loads(p->out, JSON_REJECT_DUPLICATES, &problem);
    if (!json)
        fail_msg("exit status %d, no JSON: %s%s", p->status, p->out, p->err);
    return json;
}

static void json_output_parses(void **state)
{
    (void)state;
    char other[TEMPORARY_PATH_BYTES], odd[TEMPORARY_PATH_BYTES];
    static const char *const more[] = { "--json", "--quiet", NULL };
    program p;
    program_train(&p, manifest, temporary_path(odd, folder, "runs/a \"quoted\" name"), more);
    program_wait(&p);
    assert_string_equal(p.err, "");
    json_t *json = parse(&p);
    assert_string_equal(json_string_value(json_object_get(json, "run")), odd);
    assert_int_equal(json_integer_value(json_object_get(json, "epochs")), 2);
    json_decref(json);
    program_free(&p);

    tern(&p, "eval", "--run", run, "--data", manifest, "--json", "--resamples", "20");
    json = parse(&p);
    assert_int_equal(json_integer_value(json_object_get(json, "samples")), 6);
    assert_int_equal(json_array_size(json_object_get(json, "confusion")), TINY_CLASSES);
    assert_true(json_is_real(json_object_get(json_object_get(json, "uar"), "low")));
    json_decref(json);
    program_free(&p);

    /* A single class has no AUC, and JSON no number for that. */
    const tiny_set single = { "single.tsv", { 0, 0, 1 }, NULL };
    assert_true(tiny_set_make(&single, folder, other));
    tern(&p, "eval", "--run", run, "--data", other, "--json");
    json = parse(&p);
    assert_true(json_is_null(json_object_get(json_object_get(json, "auc"), "value")));
    json_decref(json);
    program_free(&p);
    tern(&p, "eval", "--run", run, "--data", other);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "AUC-ROC    needs two classes"));
    program_free(&p);

    tern(&p, "predict", "--run", run, "--text", "what a day", "--json");
    json = parse(&p);
    assert_int_equal(json_object_size(json), TINY_CLASSES);
    assert_true(json_is_real(json_object_get(json, "happy")));
    json_decref(json);
    program_free(&p);
}

static char *read_text(const char *path)
{
    tern_error error = { 0 };
    char *text = tern_file_read_text(path, &error);
    if (!text)
        fail_msg("%s", error.message);
    return text;
}

static void predictions_are_written_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char first[] = "id\tlabel\tangry\thappy\tsad\nset.tsv-test0\tangry\t0.";
    char path[TEMPORARY_PATH_BYTES];
    program p;
    struct rlimit old;
    tern(&p, "eval", "--run", run, "--data", manifest, "--predictions",
         temporary_path(path, folder, "predictions.tsv"));
    assert_int_equal(p.status, 0);
    program_free(&p);
    char *before = read_text(path);
    assert_memory_equal(before, first, sizeof first - 1);

    /* The eighteen rows of train are more than the limit, what is printed is less. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = { 800, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tern(&p, "eval", "--run", run, "--data", manifest, "--predictions", path, "--split", "train");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(p.status, 1);
    assert_non_null(strstr(p.err, "predictions.tsv: cannot be written: File too large"));
    program_free(&p);
    char *after = read_text(path);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void output_that_is_lost_is_an_error(void **state)
{
    (void)state;
    program p;
    if (access("/dev/full", W_OK) != 0)
        skip();
    program_run_into(&p, "/dev/full", (const char *const[]){ "ops", NULL });
    assert_int_equal(p.status, 1);
    assert_string_equal(p.err, "tern: the output cannot be written: No space left on device\n");
    program_free(&p);
}

/* ---------------------------------------------------------- interruption -- */

static void an_interrupted_training_ends_in_good_order(void **state)
{
    (void)state;
    static const int signals[] = { SIGINT, SIGTERM };
    static const char *const more[] = { "--epochs", "100000", NULL };
    for (int i = 0; i < 2; i++) {
        char path[TEMPORARY_PATH_BYTES], name[32], resume[TEMPORARY_PATH_BYTES + 64];
        program p;
        snprintf(name, sizeof name, "interrupted%d", i);
        program_train(&p, manifest, temporary_path(path, folder, name), more);
        program_wait_for(&p, "epoch   2/");
        kill(p.id, signals[i]);
        program_wait(&p);
        if (p.status != 128 + signals[i])
            fail_msg("exit status %d: %s", p.status, p.err);
        snprintf(resume, sizeof resume, "go on with\n  tern train --run %s --resume\n", path);
        assert_non_null(strstr(p.err, resume));
        program_free(&p);

        tern(&p, "eval", "--run", path, "--data", manifest, "--resamples", "0");
        assert_int_equal(p.status, 0);
        program_free(&p);
        program_start(&p, (const char *const[]){ "train", "--run", path, "--resume", NULL });
        program_wait_for(&p, "epoch");
        kill(p.id, signals[i]);
        program_wait(&p);
        assert_int_equal(p.status, 128 + signals[i]);
        program_free(&p);
    }
}

static void interrupted_data_are_no_data_set(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], file[TEMPORARY_PATH_BYTES + 32];
    program p;
    temporary_path(path, folder, "synth");
    snprintf(file, sizeof file, "%s/faces/train0001/1.png", path);
    program_start(&p, (const char *const[]){ "data", "synth", path, "--train", "900000", NULL });
    bool begun = false;
    for (int waits = 0; waits < 6000 && !begun; waits++, usleep(10000))
        begun = access(file, F_OK) == 0;
    kill(p.id, SIGTERM);
    program_wait(&p);
    assert_true(begun);
    assert_int_equal(p.status, 128 + SIGTERM);
    assert_non_null(strstr(p.err, " of 901500 clips made; "));
    assert_non_null(strstr(p.err, "synth holds no data set yet: the same command makes it anew"));
    program_free(&p);
    snprintf(file, sizeof file, "%s/manifest.tsv", path);
    assert_int_not_equal(access(file, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_tells_what_is_there),
        cmocka_unit_test(a_slip_of_the_finger_is_understood),
        cmocka_unit_test(help_of_train_lists_what_can_be_set),
        cmocka_unit_test(what_is_set_is_kept_in_the_run_and_resumed),
        cmocka_unit_test(json_output_parses),
        cmocka_unit_test(predictions_are_written_whole_or_not_at_all),
        cmocka_unit_test(output_that_is_lost_is_an_error),
        cmocka_unit_test(an_interrupted_training_ends_in_good_order),
        cmocka_unit_test(interrupted_data_are_no_data_set),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
