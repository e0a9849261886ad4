/* Promises of --help: every command has an example that can be pasted, and the defaults it
 * names are those of the code. */
#include "check.h"
#include "program.h"

#include "datasets/paired.h"
#include "datasets/synth/synth.h"

#include <string.h>

#define tern(p, ...) program_run(p, (const char *const[]){ __VA_ARGS__, NULL })

/* ------------------------------------------------------------- commands -- */

static void check_help(const char *command, const char *sub)
{
    program p;
    char usage[64];
    if (sub)
        tern(&p, command, sub, "--help");
    else
        tern(&p, command, "--help");
    snprintf(usage, sizeof usage, "usage: tern %s%s%s", command, sub ? " " : "", sub ? sub : "");
    if (p.status != 0 || *p.err || strncmp(p.out, usage, strlen(usage)) != 0 ||
        !strstr(p.out, "\nexample:\n  tern "))
        fail_msg("tern %s --help: exit status %d\n%s%s", command, p.status, p.out, p.err);
    program_free(&p);
}

/* Calls check_help for each name that a table of commands lists: lines that begin with
 * two spaces, up to the first that does not. */
static int check_listed(const char *text, const char *command)
{
    int count = 0;
    const char *at = strstr(text, "\n  ");
    for (; at && strncmp(at, "\n  ", 3) == 0; at = strchr(at + 1, '\n'), count++) {
        char name[32] = "";
        assert_int_equal(sscanf(at, " %31s", name), 1);
        check_help(command ? command : name, command ? name : NULL);
    }
    return count;
}

static void help_of_every_command_has_an_example(void **state)
{
    (void)state;
    program p;
    tern(&p, "--help");
    assert_int_equal(p.status, 0);
    assert_string_equal(p.err, "");
    assert_non_null(strstr(p.out, "\nexample:\n  tern "));
    assert_true(check_listed(p.out, NULL) >= 8);
    program_free(&p);
    tern(&p, "data", "--help");
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "\nexample:\n  tern "));
    assert_true(check_listed(p.out, "data") >= 2);
    program_free(&p);
}

static void help_shows_the_defaults_of_the_code(void **state)
{
    (void)state;
    const tern_paired_opts paired = tern_paired_opts_default();
    const tern_synth_opts synth = tern_synth_opts_default();
    char line[128];
    program p;
    tern(&p, "data", "paired", "--help");
    snprintf(line, sizeof line, "of images and sentences (default %g)\n", paired.test_fraction);
    assert_non_null(strstr(p.out, line));
    program_free(&p);
    tern(&p, "data", "synth", "--train", "5", "--help");
    snprintf(line, sizeof line, "clips (default %d)\n", synth.clips[TERN_TRAIN]);
    assert_non_null(strstr(p.out, line));
    program_free(&p);
}

/* ------------------------------------------------------------- examples -- */

/* The next word of a command line as a shell reads it; NULL at its end. */
static char *next_word(char **at)
{
    *at += strspn(*at, " ");
    char *word = *at, quote = *word == '"' ? *word++ : ' ';
    if (!*word)
        return NULL;
    char *end = strchr(word, quote);
    *at = end ? end + 1 : word + strlen(word);
    if (end)
        *end = '\0';
    return word;
}

/* The manifest that an example of data synth makes and the run that one of train makes:
 * what examples of other commands may name. */
typedef struct example_files {
    char data[128], run[128];
} example_files;

static void check_example_line(char *line, example_files *files)
{
    char whole[1024], *flag = NULL, *command, *sub = NULL, *at = line, *word;
    char option[64];
    program p;
    snprintf(whole, sizeof whole, "%s", line);
    assert_string_equal(next_word(&at), "tern");
    command = next_word(&at);
    if (strcmp(command, "--version") == 0)
        return;
    if (strcmp(command, "data") == 0)
        sub = next_word(&at);
    if (sub)
        tern(&p, command, sub, "--help");
    else
        tern(&p, command, "--help");
    assert_int_equal(p.status, 0);
    while ((word = next_word(&at))) {
        bool is_data = flag && strcmp(flag, "--data") == 0;
        bool is_run = flag && strcmp(flag, "--run") == 0;
        bool trains = strcmp(command, "train") == 0;
        if (strncmp(word, "--", 2) == 0) {
            snprintf(option, sizeof option, "\n  %s ", word);
            if (!strstr(p.out, option))
                fail_msg("tern %s has no %s: %s", command, word, whole);
        } else if (sub && strcmp(sub, "synth") == 0) {
            snprintf(files->data, sizeof files->data, "%s/manifest.tsv", word);
        } else if (is_run && trains && !*files->run) {
            snprintf(files->run, sizeof files->run, "%s", word);
        } else if ((is_data && strcmp(word, files->data) != 0) ||
                   (is_run && !trains && strcmp(word, files->run) != 0)) {
            fail_msg("nothing makes %s: %s", word, whole);
        }
        flag = word;
    }
    program_free(&p);
}

/* The examples that a help text ends with, in which a \ joins lines. */
static void check_examples(const char *const *arguments, example_files *files)
{
    program p;
    program_run(&p, arguments);
    char *at = strstr(p.out, "\nexample:\n");
    assert_non_null(at);
    at += strlen("\nexample:\n");
    while (strncmp(at, "  ", 2) == 0) {
        char *end = strchr(at, '\n');
        for (; end[-1] == '\\'; end = strchr(end, '\n'))
            end[-1] = end[0] = ' ';
        *end = '\0';
        check_example_line(at, files);
        at = end + 1;
    }
    program_free(&p);
}

/* Pasted one after the other, they find their options and each other's files. */
static void examples_of_help_can_be_pasted(void **state)
{
    (void)state;
    static const char *const of_one[][4] = {
        { "data", "synth", "--help" }, { "data", "paired", "--help" }, { "data", "--help" },
        { "train", "--help" }, { "eval", "--help" }, { "predict", "--help" }, { "demo", "--help" },
        { "ops", "--help" }, { "op", "--help" }, { "gradcheck", "--help" }
    };
    example_files files = { "", "" };
    for (size_t i = 0; i < sizeof of_one / sizeof of_one[0]; i++)
        check_examples(of_one[i], &files);
    files = (example_files){ "", "" };
    check_examples((const char *const[]){ "--help", NULL }, &files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_of_every_command_has_an_example),
        cmocka_unit_test(help_shows_the_defaults_of_the_code),
        cmocka_unit_test(examples_of_help_can_be_pasted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
