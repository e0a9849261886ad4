/* Sentences to words, words to ids. */
#include "tests/check.h"

#include "datasets/text.h"
#include "tests/temporary_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[TEMPORARY_PATH_BYTES];

/* The words of text with "|" between them. */
static void assert_words(const char *text, const char *expected)
{
    tern_words words;
    tern_error error = { 0 };
    char joined[512] = "";
    assert_true(tern_text_split(text, &words, &error));
    for (int i = 0; i < words.count; i++) {
        strcat(joined, i ? "|" : "");
        strcat(joined, words.word[i]);
    }
    assert_string_equal(joined, expected);
    tern_words_free(&words);
}

static void words_are_lower_case_and_marks_stand_alone(void **state)
{
    (void)state;
    assert_words("Dogs are sitting, by the DOOR.", "dogs|are|sitting|,|by|the|door|.");
    assert_words("", "");
    assert_words(" \t \n", "");
    assert_words("a-b_c/d", "a|-|b|_|c|/|d");
    assert_words("3.5 of 1,000", "3|.|5|of|1|,|000");
}

static void contractions_stay_whole(void **state)
{
    (void)state;
    assert_words("I didn't, it\xE2\x80\x99s ME", "i|didn't|,|it's|me");
    assert_words("'quoted' dogs' rock'n'roll 'tis", "'|quoted|'|dogs|'|rock'n'roll|'|tis");
}

static void runs_of_a_mark_are_kept_to_three(void **state)
{
    (void)state;
    assert_words("no!!!!!!! why?? wait.....ok", "no|!!!|why|??|wait|...|ok");
    assert_words("?!?! ! !", "?|!|?|!|!|!");
}

static void placeholders_are_one_word(void **state)
{
    (void)state;
    assert_words("[NAME] told [RELIGION]!", "[name]|told|[religion]|!");
    assert_words("[NAME]'s [ x ] [] [a", "[name]|'|s|[|x|]|[|]|[|a");
}

static void unicode_is_composed_and_joiners_are_dropped(void **state)
{
    (void)state;
    assert_words("E\xCC\x81T\xC3\x89", "\xC3\xA9t\xC3\xA9"); /* E + accent = É; both lower */
    assert_words("\xE2\x9D\xA4\xEF\xB8\x8F ok", "\xE2\x9D\xA4|ok"); /* heart + selector */
    assert_words("so\xF0\x9F\x98\x80\xF0\x9F\x98\x80", "so|\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
    assert_words("\xE4\xBD\xA0\xE5\xA5\xBD", "\xE4\xBD\xA0|\xE5\xA5\xBD"); /* two ideographs */
    assert_words("a\xC2\xA0" "b", "a|b"); /* no-break space */
}

static void text_that_is_not_utf8_is_an_error(void **state)
{
    (void)state;
    tern_words words;
    tern_error error = { 0 };
    assert_false(tern_text_split("ab\xFF", &words, &error));
    assert_int_equal(error.code, TERN_ERR_FORMAT);
    assert_null(words.word);
    assert_false(tern_text_is_utf8("ab\xC3"));
    assert_true(tern_text_is_utf8("ab\xC3\xA9"));
}

static const char *const sentences[] = { "the dog, the cat", "a dog! the bird", "A cat a CAT" };

static void ids_are_by_count_and_then_by_bytes(void **state)
{
    (void)state;
    static const char *const expected[] = { "[PAD]", "[UNK]", "[CLS]", "a", "cat", "the", "dog" };
    tern_error error = { 0 };
    tern_vocabulary *v = tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 0 }, &error);
    assert_non_null(v);
    assert_int_equal(tern_vocabulary_size(v), 7);
    for (int id = 0; id < 7; id++) {
        assert_string_equal(tern_vocabulary_word(v, id), expected[id]);
        assert_int_equal(tern_vocabulary_id(v, expected[id]), id);
    }
    assert_int_equal(tern_vocabulary_id(v, "bird"), TERN_TOKEN_UNKNOWN);
    assert_int_equal(tern_vocabulary_id(v, ""), TERN_TOKEN_UNKNOWN);
    tern_vocabulary_free(v);
}

static void the_vocabulary_keeps_to_its_limits(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_vocabulary *v =
        tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 1, 5 }, &error);
    assert_int_equal(tern_vocabulary_size(v), 5);
    tern_vocabulary_free(v);
    v = tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 1, 0 }, &error);
    assert_int_equal(tern_vocabulary_size(v), 3 + 7);
    tern_vocabulary_free(v);
    v = tern_vocabulary_build(sentences, 0, (tern_vocabulary_opts){ 0 }, &error);
    assert_int_equal(tern_vocabulary_size(v), 3);
    tern_vocabulary_free(v);
    assert_null(tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 1, 2 }, &error));
    assert_int_equal(error.code, TERN_ERR_OPTION);
}

static void sentences_are_encoded_with_cls_cut_and_padded(void **state)
{
    (void)state;
    static const int32_t padded[6] = { 2, 5, 1, 6, 0, 0 }, cut[3] = { 2, 5, 1 };
    static const uint8_t mask[6] = { 1, 1, 1, 1, 0, 0 };
    int32_t ids[6];
    uint8_t valid[6];
    tern_error error = { 0 };
    tern_vocabulary *v = tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 0 }, &error);
    assert_true(tern_vocabulary_encode(v, "The quick dog", 6, ids, valid, &error));
    assert_memory_equal(ids, padded, sizeof padded);
    assert_memory_equal(valid, mask, sizeof mask);
    assert_true(tern_vocabulary_encode(v, "The quick dog", 3, ids, valid, &error));
    assert_memory_equal(ids, cut, sizeof cut);
    tern_vocabulary_free(v);
}

static void a_saved_vocabulary_comes_back(void **state)
{
    (void)state;
    tern_error error = { 0 };
    tern_vocabulary *v =
        tern_vocabulary_build(sentences, 3, (tern_vocabulary_opts){ 1, 0 }, &error);
    temporary_path(path, test_folder, "words.txt");
    assert_true(tern_vocabulary_save(v, path, &error));
    tern_vocabulary *w = tern_vocabulary_load(path, &error);
    assert_non_null(w);
    assert_int_equal(tern_vocabulary_size(v), tern_vocabulary_size(w));
    for (int id = 0; id < tern_vocabulary_size(v); id++)
        assert_string_equal(tern_vocabulary_word(v, id), tern_vocabulary_word(w, id));
    tern_vocabulary_free(v);
    tern_vocabulary_free(w);
}

static void expect_load_error(const char *text, const char *words)
{
    tern_error error = { 0 };
    temporary_file(path, test_folder, "bad.txt", text, strlen(text));
    assert_null(tern_vocabulary_load(path, &error));
    assert_int_equal(error.code, TERN_ERR_FORMAT);
    if (!strstr(error.message, words) || !strstr(error.message, "bad.txt"))
        fail_msg("expected \"%s\": %s", words, error.message);
}

static void bad_vocabulary_files_are_named_with_the_line(void **state)
{
    (void)state;
    expect_load_error("[PAD]\n[UNK]\nword\n", "bad.txt:3: is not a vocabulary");
    expect_load_error("[PAD]\n", "bad.txt:2: is not a vocabulary");
    expect_load_error("[PAD]\n[UNK]\n[CLS]\na\n\nb\n", "bad.txt:5: an empty line");
    expect_load_error("[PAD]\n[UNK]\n[CLS]\na\nb\na\n", "\"a\" stands on lines 4 and 6");
    expect_load_error("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer");
    expect_load_error("", "is empty");
}

static void real_sentences_make_a_vocabulary(void **state)
{
    (void)state;
    enum { LINES = 50000, BYTES = 8192 };
    if (!shared_data(path, "text/goemotions_ekman_train.tsv"))
        skip();
    FILE *file = fopen(path, "r");
    char **texts = calloc(LINES, sizeof *texts), line[BYTES];
    int64_t count = 0;
    tern_error error = { 0 };
    assert_non_null(file);
    while (count < LINES && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\t")] = 0;
        texts[count++] = strdup(line);
    }
    fclose(file);
    assert_int_equal(count, 43410);
    tern_vocabulary *v = tern_vocabulary_build((const char *const *)texts, count,
                                               (tern_vocabulary_opts){ 0 }, &error);
    assert_non_null(v);
    assert_string_equal(tern_vocabulary_word(v, TERN_TOKEN_FIRST), ".");
    assert_true(tern_vocabulary_id(v, "[name]") < 20);
    assert_true(tern_vocabulary_id(v, "don't") < 100);
    assert_in_range(tern_vocabulary_size(v), 10000, 20000);
    tern_vocabulary_free(v);
    for (int64_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_lower_case_and_marks_stand_alone),
        cmocka_unit_test(contractions_stay_whole),
        cmocka_unit_test(runs_of_a_mark_are_kept_to_three),
        cmocka_unit_test(placeholders_are_one_word),
        cmocka_unit_test(unicode_is_composed_and_joiners_are_dropped),
        cmocka_unit_test(text_that_is_not_utf8_is_an_error),
        cmocka_unit_test(ids_are_by_count_and_then_by_bytes),
        cmocka_unit_test(the_vocabulary_keeps_to_its_limits),
        cmocka_unit_test(sentences_are_encoded_with_cls_cut_and_padded),
        cmocka_unit_test(a_saved_vocabulary_comes_back),
        cmocka_unit_test(bad_vocabulary_files_are_named_with_the_line),
        cmocka_unit_test(real_sentences_make_a_vocabulary),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
