/* See training.h. */
#include "training.h"

#include "datasets/file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

tern_trainer_opts training_into(const training_set *set, const char *name,
                                char run[TEMPORARY_PATH_BYTES])
{
    return tiny_training(set->manifest, temporary_path(run, set->folder, name));
}

bool training_set_make(training_set *set)
{
    const tiny_set tiny = { "set.tsv", { 18, 12, 6 }, NULL };
    if (!temporary_folder_make(set->folder) || !tiny_set_make(&tiny, set->folder, set->manifest))
        return false;
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is then an error of write() */
    tern_train_result result;
    tern_trainer_opts opts = training_into(set, "whole", set->whole);
    train_or_fail(&opts, &result);
    return true;
}

void training_set_remove(training_set *set)
{
    temporary_folder_remove(set->folder);
}

void train_or_fail(const tern_trainer_opts *opts, tern_train_result *result)
{
    tern_error error = { 0 };
    if (!tern_train(opts, result, &error))
        fail_msg("%s", error.message);
}

void assert_training_fails(const tern_trainer_opts *opts, tern_status code, const char *text)
{
    tern_error error = { 0 };
    tern_train_result result;
    if (tern_train(opts, &result, &error))
        fail_msg("training did not fail; wanted \"%s\"", text);
    if (error.code != code || !strstr(error.message, text))
        fail_msg("wanted %s error with \"%s\", got %s: %s", tern_status_name(code), text,
                 tern_status_name(error.code), error.message);
}

uint8_t *read_run_file(const char *run, const char *name, size_t *size)
{
    char path[TERN_PATH_BYTES];
    tern_error error = { 0 };
    tern_run_path(run, name, path, &error);
    uint8_t *bytes = tern_file_read(path, size, &error);
    if (!bytes)
        fail_msg("%s", error.message);
    return bytes;
}

bool same_run_file(const char *run_a, const char *run_b, const char *name)
{
    size_t size_a, size_b;
    uint8_t *a = read_run_file(run_a, name, &size_a), *b = read_run_file(run_b, name, &size_b);
    bool same = size_a == size_b && memcmp(a, b, size_a) == 0;
    free(a);
    free(b);
    return same;
}

/* metrics.jsonl as an array, without the seconds, which no two runs share. */
json_t *metrics_of_run(const char *run)
{
    size_t size;
    char *text = (char *)read_run_file(run, "metrics.jsonl", &size), *rest = text;
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

void assert_same_run(const char *a, const char *b, size_t epochs)
{
    json_t *metrics_a = metrics_of_run(a), *metrics_b = metrics_of_run(b);
    assert_int_equal(json_array_size(metrics_a), epochs);
    assert_true(json_equal(metrics_a, metrics_b));
    json_decref(metrics_a);
    json_decref(metrics_b);
    assert_true(same_run_file(a, b, "last.safetensors"));
    assert_true(same_run_file(a, b, "best.safetensors"));
}
