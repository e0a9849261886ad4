/* Manifests: what is read, and what is said of bad ones. */
#include "tests/check.h"

#include "datasets/manifest.h"
#include "tests/temporary_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char path[TEMPORARY_PATH_BYTES];
static const tern_manifest_opts lenient = { .unchecked_files = true };

#define HEADER "id\tsplit\tspeaker\tlabel\tface\taudio\ttext\n"

static tern_clips *read_text(const char *text, tern_manifest_opts opts, tern_error *error)
{
    assert_true(temporary_file(path, test_folder, "set/list.tsv", text, strlen(text)));
    return tern_manifest_read(path, opts, error);
}

static void expect_error(const char *text, tern_manifest_opts opts, tern_status code,
                         const char *words)
{
    tern_error error = { 0 };
    tern_clips *clips = read_text(text, opts, &error);
    if (clips || error.code != code || !strstr(error.message, words) ||
        !strstr(error.message, path))
        fail_msg("expected a %s error with \"%s\", got %s: %s", tern_status_name(code), words,
                 tern_status_name(error.code), error.message);
}

static void rows_become_clips(void **state)
{
    (void)state;
    char face[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    tern_clips *clips = read_text("\xEF\xBB\xBF# a comment\n"
                                  HEADER
                                  "a\ttrain\tann\tjoy\tpics/a.png\t\tHello \"you\"\r\n"
                                  "\n"
                                  "b\tvalid\t\tanger\t\t/abs/b.wav\t\n"
                                  "c\ttest\tbob\tjoy\t\t\tword",
                                  lenient, &error);
    assert_non_null(clips);
    assert_int_equal(clips->count, 3);
    assert_int_equal(clips->classes, 2);
    assert_string_equal(clips->class_names[0], "anger");
    assert_string_equal(clips->class_names[1], "joy");
    assert_string_equal(clips->clip[0].id, "a");
    assert_int_equal(clips->clip[0].label, 1);
    assert_string_equal(clips->clip[0].speaker, "ann");
    assert_string_equal(clips->clip[0].face, temporary_path(face, test_folder, "set/pics/a.png"));
    assert_null(clips->clip[0].audio);
    assert_string_equal(clips->clip[0].text, "Hello \"you\"");
    assert_null(clips->clip[1].speaker);
    assert_null(clips->clip[1].text);
    assert_string_equal(clips->clip[1].audio, "/abs/b.wav");
    assert_int_equal(clips->clip[2].split, TERN_TEST);
    assert_int_equal(tern_clips_in_split(clips, TERN_TRAIN), 1);
    assert_false(clips->train_unpaired);
    tern_clips_free(clips);
}

static void columns_may_stand_in_any_order_and_modalities_be_left_out(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_clips *clips = read_text("text\tlabel\tspeaker\tid\tsplit\n"
                                  "hi\tjoy\t\tx\ttrain\n", lenient, &error);
    assert_non_null(clips);
    assert_string_equal(clips->clip[0].id, "x");
    assert_string_equal(clips->clip[0].text, "hi");
    assert_null(clips->clip[0].face);
    tern_clips_free(clips);
}

static void bad_headers_are_errors(void **state)
{
    (void)state;
    expect_error("id\tsplit\tspeeker\tlabel\ttext\n", lenient, TERN_ERR_FORMAT,
                 "list.tsv:1: unknown column \"speeker\"; did you mean \"speaker\"?");
    expect_error("# x\nid\tsplit\tid\tlabel\ttext\n", lenient, TERN_ERR_FORMAT,
                 "list.tsv:2: column \"id\" is there twice");
    expect_error("id\tsplit\tlabel\ttext\n", lenient, TERN_ERR_FORMAT, "\"speaker\" is missing");
    expect_error("id\tsplit\tspeaker\tlabel\n", lenient, TERN_ERR_FORMAT, "one at least");
    expect_error("a,b,c\n", lenient, TERN_ERR_FORMAT, "unknown column \"a,b,c\"");
    expect_error(HEADER, lenient, TERN_ERR_DATA, "no rows");
    expect_error("# only a comment\n", lenient, TERN_ERR_DATA, "no rows");
    expect_error("", lenient, TERN_ERR_FORMAT, "is empty");
}

static void bad_rows_are_errors_with_their_line(void **state)
{
    (void)state;
    static const char good[] = HEADER "a\ttrain\t\tjoy\t\t\thello\n";
    static const struct {
        const char *row, *words;
        tern_status code;
    } cases[] = {
        { "b\ttrain\t\tjoy\t\thello", "list.tsv:3: 6 fields; the header names 7", TERN_ERR_FORMAT },
        { "b\ttrain\t\tjoy\t\t\ta\tb", ":3: 8 fields", TERN_ERR_FORMAT },
        { "\ttrain\t\tjoy\t\t\tx", ":3: the id is empty", TERN_ERR_FORMAT },
        { "b\ttrain\t\t\t\t\tx", ":3: the label of \"b\" is empty", TERN_ERR_FORMAT },
        { "b\ttrian\t\tjoy\t\t\tx", "\"trian\" is none of train, valid, test; did you mean "
          "\"train\"?", TERN_ERR_FORMAT },
        { "b\ttrain\t\tjoy\t\t\t", ":3: \"b\" has neither face nor audio nor text",
          TERN_ERR_FORMAT },
        { "b\ttrain\t\tjoy\t\t\t\xFF", ":3: text of \"b\" is not UTF-8", TERN_ERR_FORMAT },
        { "a\ttest\t\tjoy\t\t\tx", ":3: id \"a\" is already that of line 2", TERN_ERR_DATA },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s\n", good, cases[i].row);
        expect_error(text, lenient, cases[i].code, cases[i].words);
    }
}

static void a_speaker_on_both_sides_is_an_error_unless_allowed(void **state)
{
    (void)state;
    static const char text[] = HEADER "a\ttrain\tann\tjoy\t\t\tx\n"
                                      "b\ttrain\tann\tjoy\t\t\tx\n"
                                      "c\ttest\tann\tjoy\t\t\tx\n"
                                      "d\ttest\t\tjoy\t\t\tx\n"
                                      "e\ttrain\t\tjoy\t\t\tx\n";
    tern_error error = { 0 };
    expect_error(text, lenient, TERN_ERR_DATA,
                 ":4: speaker \"ann\" is in test here and in train on line 3");
    tern_manifest_opts opts = lenient;
    opts.allow_shared_speakers = true;
    tern_clips *clips = read_text(text, opts, &error);
    assert_non_null(clips);
    tern_clips_free(clips);
}

static void an_empty_split_is_an_error_when_it_is_needed(void **state)
{
    (void)state;
    tern_manifest_opts opts = lenient;
    opts.needed_splits = 1u << TERN_TRAIN | 1u << TERN_VALID;
    expect_error(HEADER "a\ttrain\t\tjoy\t\t\tx\n", opts, TERN_ERR_DATA,
                 "split valid is empty (train 1, valid 0, test 0 rows)");
}

static void a_given_class_list_is_kept_and_enforced(void **state)
{
    (void)state;
    static const char *const classes[] = { "sad", "joy", "anger" };
    tern_manifest_opts opts = { classes, 3, .unchecked_files = true };
    tern_error error = { 0 };
    tern_clips *clips = read_text(HEADER "a\ttrain\t\tjoy\t\t\tx\n", opts, &error);
    assert_non_null(clips);
    assert_int_equal(clips->classes, 3);
    assert_int_equal(clips->clip[0].label, 1);
    tern_clips_free(clips);
    expect_error(HEADER "a\ttrain\t\tjoi\t\t\tx\n", opts, TERN_ERR_DATA,
                 ":2: label \"joi\" is none of the 3 classes; did you mean \"joy\"? "
                 "(sad, joy, anger)");
}

static void missing_files_are_counted_and_the_first_is_named(void **state)
{
    (void)state;
    char file[TEMPORARY_PATH_BYTES];
    temporary_file(file, test_folder, "set/there.png", "x", 1);
    expect_error(HEADER "a\ttrain\t\tjoy\tthere.png\t\t\n"
                        "b\ttrain\t\tjoy\tthere.png\tgone.wav\t\n"
                        "c\ttrain\t\tjoy\tgone.png\t\t\n",
                 (tern_manifest_opts){ 0 }, TERN_ERR_DATA, "list.tsv:3: audio ");
    expect_error(HEADER "b\ttrain\t\tjoy\tthere.png\tgone.wav\t\n"
                        "c\ttrain\t\tjoy\tgone.png\t\t\n",
                 (tern_manifest_opts){ 0 }, TERN_ERR_DATA, "(2 files in all");
}

static void the_unpaired_directive_is_read(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_clips *clips = read_text("#! unpaired train 500\n" HEADER "a\ttrain\t\tjoy\t\t\tx\n",
                                  lenient, &error);
    assert_non_null(clips);
    assert_true(clips->train_unpaired);
    assert_int_equal(clips->epoch_samples, 500);
    tern_clips_free(clips);
    expect_error("#! unpared train\n" HEADER, lenient, TERN_ERR_FORMAT,
                 ":1: unknown directive \"#! unpared\"; did you mean \"unpaired\"?");
    expect_error("#! unpaired valid\n" HEADER, lenient, TERN_ERR_FORMAT, "\"train\"");
    expect_error("#! unpaired train -3\n" HEADER, lenient, TERN_ERR_FORMAT, "\"train\"");
    expect_error("#! unpaired train 3 4\n" HEADER, lenient, TERN_ERR_FORMAT, "\"train\"");
}

static void a_written_manifest_comes_back(void **state)
{
    (void)state;
    static const char *const classes[] = { "joy", "sad" };
    static const tern_clip clip[2] = {
        { "one", TERN_TRAIN, "ann", 1, "/f/one", NULL, "two\twords\nhere" },
        { "two", TERN_TEST, NULL, 0, NULL, "/a/two.wav", NULL },
    };
    tern_error error = { 0 };
    tern_clips *clips = tern_clips_new(&error);
    assert_true(tern_clips_set_classes(clips, classes, 2, &error));
    assert_true(tern_clips_append(clips, &clip[0], &error));
    assert_true(tern_clips_append(clips, &clip[1], &error));
    clips->train_unpaired = true;
    clips->epoch_samples = 7;
    temporary_path(path, test_folder, "written.tsv");
    assert_true(tern_manifest_write(path, clips, "made by a test\nin two lines", &error));
    tern_clips *back = tern_manifest_read(path, lenient, &error);
    assert_non_null(back);
    assert_int_equal(back->count, 2);
    assert_int_equal(back->epoch_samples, 7);
    assert_string_equal(back->clip[0].text, "two words here");
    assert_string_equal(back->clip[0].speaker, "ann");
    assert_int_equal(back->clip[0].label, 1);
    assert_string_equal(back->clip[1].audio, "/a/two.wav");
    assert_null(back->clip[1].text);
    tern_clips_free(back);

    /* What would break the table leaves the earlier file untouched. */
    tern_clip tabbed = clip[0];
    tabbed.id = "a\tb";
    assert_true(tern_clips_append(clips, &tabbed, &error));
    assert_false(tern_manifest_write(path, clips, NULL, &error));
    assert_int_equal(error.code, TERN_ERR_DATA);
    tern_clips_free(clips);
    error = (tern_error){ 0 };
    back = tern_manifest_read(path, lenient, &error);
    assert_non_null(back);
    tern_clips_free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_clips),
        cmocka_unit_test(columns_may_stand_in_any_order_and_modalities_be_left_out),
        cmocka_unit_test(bad_headers_are_errors),
        cmocka_unit_test(bad_rows_are_errors_with_their_line),
        cmocka_unit_test(a_speaker_on_both_sides_is_an_error_unless_allowed),
        cmocka_unit_test(an_empty_split_is_an_error_when_it_is_needed),
        cmocka_unit_test(a_given_class_list_is_kept_and_enforced),
        cmocka_unit_test(missing_files_are_counted_and_the_first_is_named),
        cmocka_unit_test(the_unpaired_directive_is_read),
        cmocka_unit_test(a_written_manifest_comes_back),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
