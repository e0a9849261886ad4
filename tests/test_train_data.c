/* Promises of training about its manifest: what cannot be learnt from it is told, and a run
 * finds it again. */
#include "check.h"
#include "tiny_set.h"

#include "datasets/file.h"
#include "train/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[TEMPORARY_PATH_BYTES], manifest[TEMPORARY_PATH_BYTES];

static int make_data(void **state)
{
    (void)state;
    const tiny_set set = { "set.tsv", { 6, 6, 3 }, NULL };
    return temporary_folder_make(folder) && tiny_set_make(&set, folder, manifest) ? 0 : -1;
}

static int remove_data(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

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

/* The manifest with these columns emptied (from 0) in rows that begin with `prefix`, and with
 * another label for one row. */
static const char *change_manifest(char path[TEMPORARY_PATH_BYTES], const char *name,
                                   unsigned emptied, const char *relabelled)
{
    char *changed = NULL, *line;
    size_t size = 0;
    tern_error error = { 0 };
    char *text = tern_file_read_text(manifest, &error), *rest = text;
    FILE *stream = open_memstream(&changed, &size);
    for (int row = 0; (line = tern_line_next(&rest)); row++) {
        bool is_train = strstr(line, "\ttrain\t") != NULL, relabel = strstr(line, relabelled);
        char *field;
        for (int column = 0; (field = tern_field_next(&line)); column++)
            fprintf(stream, "%s%s", column ? "\t" : "",
                    relabel && column == 3              ? "surprise"
                    : is_train && (emptied >> column & 1) ? ""
                                                          : field);
        fputc('\n', stream);
    }
    fclose(stream);
    assert_true(temporary_file(path, folder, name, changed, size));
    free(changed);
    free(text);
    return path;
}

static void what_no_training_row_shows_is_told(void **state)
{
    (void)state;
    enum { FACE = 1 << 4, AUDIO = 1 << 5, TEXT = 1 << 6 };
    char data[TEMPORARY_PATH_BYTES], run[TEMPORARY_PATH_BYTES];
    tern_trainer_opts opts = tiny_training(change_manifest(data, "valid.tsv", 0, "set.tsv-valid3\t"),
                                           temporary_path(run, folder, "none"));
    assert_training_fails(&opts, TERN_ERR_DATA, "valid.tsv: class surprise has rows in other splits, "
                                                "but none in train");
    change_manifest(data, "faceless.tsv", FACE, "none");
    assert_training_fails(&opts, TERN_ERR_DATA, "faceless.tsv: no row of split train has face, which "
                                                "the model is to read: choose others (--modalities)");
    /* Learnt from what it does not read. */
    change_manifest(data, "mute.tsv", 0, "set.tsv-train3\t");
    opts.train.epochs = 1;
    tern_error error = { 0 };
    tern_train_result result;
    if (!tern_train(&opts, &result, &error))
        fail_msg("%s", error.message);
}

static void a_run_is_resumed_from_any_folder(void **state)
{
    (void)state;
    char run[TEMPORARY_PATH_BYTES], elsewhere[TEMPORARY_PATH_BYTES];
    char moved[TEMPORARY_PATH_BYTES + 8], *before = getcwd(NULL, 0);
    tern_train_result result;
    tern_error error = { 0 };
    tern_trainer_opts opts = tiny_training("set.tsv", temporary_path(run, folder, "moved"));
    opts.stop_after = 1;
    assert_int_equal(chdir(folder), 0);
    bool ok = tern_train(&opts, &result, &error);
    assert_int_equal(chdir(before), 0);
    free(before);
    if (!ok)
        fail_msg("%s", error.message);
    opts = (tern_trainer_opts){ .run = run, .resume = true, .threads = 1, .stop_after = 1 };
    if (!tern_train(&opts, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.epochs, 2);

    snprintf(moved, sizeof moved, "%s.moved", manifest);
    assert_int_equal(rename(manifest, moved), 0);
    temporary_path(elsewhere, folder, "moved");
    assert_training_fails(&opts, TERN_ERR_IO, "set.tsv, the manifest of run ");
    assert_training_fails(&opts, TERN_ERR_IO, "say where it is now (--data)");
    opts.data = moved;
    if (!tern_train(&opts, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.epochs, 3);
    assert_int_equal(rename(moved, manifest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_training_row_shows_is_told),
        cmocka_unit_test(a_run_is_resumed_from_any_folder),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
