/* `paired`: mistakes in options and sources are named, and what was there before stays. */
#include "tests/check.h"
#include "tests/paired_set.h"

#include "datasets/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void expect_error(tern_paired_opts opts, tern_status code, const char *words)
{
    tern_error error = { 0 };
    assert_false(tern_paired_write(opts, NULL, &error));
    if (error.code != code || !strstr(error.message, words))
        fail_msg("expected \"%s\", got %s: %s", words, tern_status_name(error.code),
                 error.message);
}

static void mistakes_are_named_and_earlier_results_untouched(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    tern_clips_free(paired_write_and_read(paired_options(), NULL));
    char *before = paired_manifest_rows();

    tern_paired_opts opts = paired_options();
    opts.test_actors = "2-4";
    expect_error(opts, TERN_ERR_OPTION, "actor 2 is in train and in test");
    opts.test_actors = "four";
    expect_error(opts, TERN_ERR_OPTION, "test actors \"four\"");
    opts.test_actors = "8";
    expect_error(opts, TERN_ERR_DATA, "no sounds of class angry for split test");
    opts = paired_options();
    opts.test_fraction = 0.9;
    expect_error(opts, TERN_ERR_OPTION, "0.2 valid and 0.9 test");
    opts = paired_options();
    opts.faces = audio;
    expect_error(opts, TERN_ERR_DATA, "no faces; folders named angry");
    opts.faces = "/nowhere";
    expect_error(opts, TERN_ERR_IO, "/nowhere: No such file");
    opts = paired_options();
    opts.audio = faces;
    expect_error(opts, TERN_ERR_DATA, "no speech");
    opts = paired_options();
    assert_true(temporary_file(path, test_folder, "set_bad_train.tsv", "fine\t1\nbad\t9\n", 13));
    opts.text = path;
    expect_error(opts, TERN_ERR_IO, "set_bad_labels.txt: cannot be opened");
    char labels[TEMPORARY_PATH_BYTES];
    opts.text_labels = temporary_path(labels, test_folder, "set_labels.txt");
    expect_error(opts, TERN_ERR_FORMAT, "set_bad_train.tsv:2: a sentence, a tab and its label (0 "
                                        "to 6, or a name) are expected, not \"9\"");
    opts = paired_options();
    opts.text_labels = NULL;
    opts.text = faces;
    expect_error(opts, TERN_ERR_ARGUMENT, "does not end in train.tsv");
    opts = paired_options();
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\n";
    assert_true(temporary_file(path, test_folder, "faces/sad/zz.png", pointer, strlen(pointer)));
    expect_error(opts, TERN_ERR_FORMAT, "zz.png: is a Git LFS pointer");
    assert_int_equal(unlink(path), 0);

    char *after = paired_manifest_rows();
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* The same rule as that of the synthetic set. */
static void a_folder_with_something_else_is_refused(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], readme[TEMPORARY_PATH_BYTES];
    tern_paired_counts counts;
    tern_error error = { 0 };
    tern_clips_free(paired_write_and_read(paired_options(), NULL));
    char *before = paired_manifest_rows();
    assert_true(tern_paired_write(paired_options(), &counts, &error));
    assert_true(counts.was_there);

    tern_paired_opts opts = paired_options();
    opts.seed = 6;
    expect_error(opts, TERN_ERR_STATE, "out/README.txt: the set there was made with other options");
    assert_true(temporary_file(path, test_folder, "faces/sad/zz.png", "new", 3));
    expect_error(paired_options(), TERN_ERR_STATE, "other options or sources");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(temporary_path(readme, test_folder, "out/README.txt")), 0);
    expect_error(paired_options(), TERN_ERR_STATE,
                 "out: holds something else already (manifest.tsv)");
    char *after = paired_manifest_rows();
    assert_string_equal(before, after);
    free(before);
    free(after);

    assert_true(temporary_file(path, test_folder, "taken/README.txt", "years of work", 13));
    opts.out = temporary_path(path, test_folder, "taken");
    expect_error(opts, TERN_ERR_STATE, "taken/README.txt");
    char *kept = tern_file_read_text(temporary_path(path, test_folder, "taken/README.txt"), &error);
    assert_string_equal(kept, "years of work");
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_and_earlier_results_untouched),
        cmocka_unit_test(a_folder_with_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, paired_sources_make, test_folder_remove);
}
