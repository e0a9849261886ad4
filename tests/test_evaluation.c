/* Promises of evaluation and prediction on data that make no sense: an error that names
 * the clip, never a number that looks like a result. */
#include "check.h"
#include "tiny_set.h"

#include "datasets/file.h"
#include "infer/predict.h"
#include "infer/score.h"

#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

static char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES];
static char run[TEMPORARY_PATH_BYTES];

static void train_or_fail(const char *data, const char *to)
{
    tern_error error = { 0 };
    tern_train_result result;
    tern_trainer_opts opts = tiny_training(data, to);
    opts.train.epochs = 1;
    if (!tern_train(&opts, &result, &error))
        fail_msg("%s", error.message);
}

static int make_run(void **state)
{
    (void)state;
    const tiny_set set = { "set.tsv", { 18, 6, 6 }, NULL };
    if (!temporary_folder_make(folder) || !tiny_set_make(&set, folder, manifest))
        return -1;
    train_or_fail(manifest, temporary_path(run, folder, "run"));
    return 0;
}

static int remove_run(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static void assert_error(const tern_error *error, tern_status code, const char *words)
{
    if (error->code != code || !strstr(error->message, words))
        fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(code), words,
                 tern_status_name(error->code), error->message);
}

/* Every value of a run's best checkpoint becomes NaN: the eight bytes of the header's
 * length, the header, then values. */
static void poison(const char *path)
{
    char file[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    size_t size, header = 8;
    uint8_t *bytes = tern_file_read(temporary_path(file, path, "best.safetensors"), &size, &error);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        header += (size_t)bytes[i] << 8 * i;
    assert_true(header < size);
    memset(bytes + header, 0xFF, size - header);
    assert_true(tern_file_replace(file, bytes, size, &error));
    free(bytes);
}

static void output_that_is_no_number_is_an_error_that_names_the_clip(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    double probability[TERN_MAX_CLASSES];
    tern_error error = { 0 };
    tern_score score;
    tern_loaded_run loaded;
    train_or_fail(manifest, temporary_path(path, folder, "poisoned"));
    poison(path);
    const tern_score_opts opts = { .runs = (const char *[]){ path }, .run_count = 1,
                                   .data = manifest, .threads = 1 };
    assert_false(tern_score_runs(&opts, &score, &error));
    assert_error(&error, TERN_ERR_DATA, "clip set.tsv-test0: the model's output for class angry");
    error = (tern_error){ 0 };
    assert_true(tern_run_open(path, NULL, 1, &loaded, &error));
    assert_false(tern_predict_sample(&loaded, &(tern_sample_files){ .text = "what a day" },
                                     probability, &error));
    assert_error(&error, TERN_ERR_DATA, "clip sample: the model's output for class angry is");
    tern_run_close(&loaded);
}

static void a_sound_beyond_all_bounds_is_named(void **state)
{
    (void)state;
    char data[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES], sound[TEMPORARY_PATH_BYTES];
    const tiny_set set = { "loud.tsv", { 6, 6, 1 }, NULL };
    SF_INFO info = { .samplerate = 16000, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT };
    static float samples[4000];
    double probability[TERN_MAX_CLASSES];
    tern_error error = { 0 };
    tern_train_result result;
    tern_loaded_run loaded;
    for (int i = 0; i < 4000; i++)
        samples[i] = i % 2 ? 3e38f : -3e38f;
    assert_true(tiny_set_make(&set, folder, data));
    temporary_path(sound, folder, "loud.tsv.media/valid3.wav");
    SNDFILE *file = sf_open(sound, SFM_WRITE, &info);
    assert_true(sf_writef_float(file, samples, 4000) == 4000);
    sf_close(file);

    tern_trainer_opts opts = tiny_training(data, temporary_path(path, folder, "loud"));
    assert_false(tern_train(&opts, &result, &error));
    assert_error(&error, TERN_ERR_DATA, "clip loud.tsv-valid3: ");
    assert_error(&error, TERN_ERR_DATA, "valid3.wav: sample 0 is -3e+38; full scale is 1");
    error = (tern_error){ 0 };
    assert_true(tern_run_open(run, NULL, 1, &loaded, &error));
    assert_false(tern_predict_sample(&loaded, &(tern_sample_files){ .audio = sound }, probability,
                                     &error));
    assert_error(&error, TERN_ERR_DATA, "valid3.wav: sample 0 is -3e+38");
    tern_run_close(&loaded);
}

static void a_device_that_computes_nothing_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    tern_train_result result;
    tern_loaded_run loaded;
    assert_false(tern_run_open(run, "meta", 1, &loaded, &error));
    assert_error(&error, TERN_ERR_ARGUMENT, "device meta computes nothing");
    error = (tern_error){ 0 };
    tern_trainer_opts opts = tiny_training(manifest, temporary_path(path, folder, "meta"));
    opts.device = "meta";
    assert_false(tern_train(&opts, &result, &error));
    assert_error(&error, TERN_ERR_ARGUMENT, "device meta computes nothing");
}

static void an_empty_modality_is_none(void **state)
{
    (void)state;
    double probability[TERN_MAX_CLASSES];
    tern_error error = { 0 };
    tern_loaded_run loaded;
    assert_true(tern_run_open(run, NULL, 1, &loaded, &error));
    assert_false(tern_predict_sample(&loaded, &(tern_sample_files){ .text = " " }, probability,
                                     &error));
    assert_error(&error, TERN_ERR_ARGUMENT, "the text is given, but empty");
    tern_run_close(&loaded);
}

/* Two classes of one name: which of them was meant, nobody could tell. */
static void a_class_named_twice_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], config[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    tern_loaded_run loaded;
    train_or_fail(manifest, temporary_path(path, folder, "twice"));
    char *text = tern_file_read_text(temporary_path(config, folder, "twice/config.json"), &error);
    char *name = strstr(text, "\"happy\"");
    assert_non_null(name);
    memcpy(name, "\"angry\"", 7);
    assert_true(tern_file_replace(config, text, strlen(text), &error));
    free(text);
    assert_false(tern_run_open(path, NULL, 1, &loaded, &error));
    assert_error(&error, TERN_ERR_FORMAT, "config.json: \"classes\" names angry twice");
}

static void pools_are_not_evaluated(void **state)
{
    (void)state;
    char data[TEMPORARY_PATH_BYTES];
    static const char text[] = "#! unpaired train\nid\tsplit\tspeaker\tlabel\ttext\n"
                               "a\ttrain\t\tangry\tgo away\nb\ttrain\t\tsad\tit rains\n";
    tern_error error = { 0 };
    tern_score score;
    assert_true(temporary_file(data, folder, "pools.tsv", text, sizeof text - 1));
    const tern_score_opts opts = { .runs = (const char *[]){ run }, .run_count = 1, .data = data,
                                   .split = "train", .threads = 1 };
    assert_false(tern_score_runs(&opts, &score, &error));
    assert_error(&error, TERN_ERR_DATA, "pools.tsv: the rows of its train split are pools");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_that_is_no_number_is_an_error_that_names_the_clip),
        cmocka_unit_test(a_sound_beyond_all_bounds_is_named),
        cmocka_unit_test(a_device_that_computes_nothing_is_refused),
        cmocka_unit_test(an_empty_modality_is_none),
        cmocka_unit_test(a_class_named_twice_is_refused),
        cmocka_unit_test(pools_are_not_evaluated),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
