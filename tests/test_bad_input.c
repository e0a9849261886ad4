/* What is wrong with the input of the tern program is told by file, line or tensor, with
 * what was expected; the exit status says so too, and earlier results stay. */
#include "check.h"
#include "program.h"
#include "tiny_media.h"
#include "tiny_set.h"

#include "core/safetensors.h"
#include "datasets/file.h"

#include <stdlib.h>
#include <string.h>
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
    program_train(&p, manifest, temporary_path(run, folder, "run"), NULL);
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

/* Training on this manifest fails and makes no run. */
static void assert_training_fails(const char *data, const char *const *says)
{
    char path[TEMPORARY_PATH_BYTES];
    program p;
    program_train(&p, data, temporary_path(path, folder, "never"), LIST("--quiet"));
    program_wait(&p);
    program_assert_failed(&p, says);
    temporary_path(path, folder, "never/last.safetensors");
    assert_int_equal(access(path, F_OK), -1);
}

static const char *write_text(char path[TEMPORARY_PATH_BYTES], const char *name, const char *text)
{
    assert_true(temporary_file(path, folder, name, text, strlen(text)));
    return path;
}

static char *read_text(const char *path)
{
    tern_error error = { 0 };
    char *text = tern_file_read_text(path, &error);
    if (!text)
        fail_msg("%s", error.message);
    return text;
}

/* ------------------------------------------------------------- manifests -- */

#define HEADER "id\tsplit\tspeaker\tlabel\tface\taudio\ttext\n"

static void a_manifest_is_refused_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "id\tsplit\tspeaker\tlabel\tfaec\n", "bad.tsv:1: unknown column \"faec\"; did you mean "
                                               "\"face\"?" },
        { "id\tsplit\tspeaker\ttext\n", "bad.tsv:1: column \"label\" is missing" },
        { HEADER "a\ttrain\tx\tsad\t\t\n", "bad.tsv:2: 6 fields; the header names 7" },
        { HEADER "a\ttrian\tx\tsad\t\t\tno\n",
          "bad.tsv:2: split \"trian\" is none of train, valid, test; did you mean \"train\"?" },
        { HEADER "a\ttrain\tx\tsad\t\t\tno\na\tvalid\ty\tsad\t\t\tno\n",
          "bad.tsv:3: id \"a\" is already that of line 2" },
        { HEADER "a\ttrain\tann\tsad\t\t\tno\nb\tvalid\tann\tsad\t\t\tno\n",
          "bad.tsv:3: speaker \"ann\" is in valid here and in train on line 2" },
        { HEADER "a\ttrain\tann\tsad\t\t\tno\nb\ttrain\tbob\tangry\t\t\tno\n",
          "bad.tsv: split valid is empty (train 2, valid 0, test 0 rows)" },
        { HEADER "a\ttrain\tann\tsad\t\t\tno\nb\tvalid\tbob\tsad\t\t\tno\n",
          "bad.tsv: 1 classes, 2 to 64 are possible" },
        { HEADER "a\ttrain\tann\tsad\t\tno.wav\t\nb\tvalid\tbob\tsad\tno.png\t\t\n",
          "no.wav: No such file or directory (2 files in all cannot be found)" },
        { "#! unpared train\n", "bad.tsv:1: unknown directive \"#! unpared\"; did you mean "
                                "\"unpaired\"?" },
        { HEADER, "bad.tsv: no rows" },
        { "", "bad.tsv: is empty" },
        { "\x89PNG", "bad.tsv:1: unknown column" },
    };
    char path[TEMPORARY_PATH_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_training_fails(write_text(path, "bad.tsv", cases[i].text), LIST(cases[i].says));
    assert_training_fails("/no/such.tsv", LIST("/no/such.tsv: ", "No such file or directory"));
    assert_training_fails(folder, LIST(folder, "folder"));
    assert_fails(LIST("eval", "--run", run, "--data", write_text(path, "bad.tsv", "id\tsplt\n")),
                 "bad.tsv:1: unknown column \"splt\"; did you mean \"split\"?");
    assert_fails(LIST("eval", "--run", run, "--data", manifest, "--split", "dev"),
                 "there is no split dev, there are train, valid, test");
    static const char texts_only[] = HEADER "a\ttest\tann\tsad\t\t\tno\n";
    assert_fails(LIST("eval", "--run", run, "--data", write_text(path, "bad.tsv", texts_only),
                      "--split", "valid"), "bad.tsv: split valid is empty");
}

/* ----------------------------------------------------------------- media -- */

/* A copy of a file with its end cut away or its middle overwritten. */
static void damage(const char *from, const char *to, bool truncate)
{
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    size_t size;
    uint8_t *bytes = tern_file_read(from, &size, &error);
    assert_non_null(bytes);
    if (!truncate)
        for (size_t i = size / 3; i < size; i++)
            bytes[i] = (uint8_t)(bytes[i] ^ 0x5a);
    assert_true(temporary_file(path, folder, to, bytes, truncate ? size / 2 : size));
    free(bytes);
}

static void media_are_refused_by_name(void **state)
{
    (void)state;
    char png[TEMPORARY_PATH_BYTES], wav[TEMPORARY_PATH_BYTES], path[TEMPORARY_PATH_BYTES];
    temporary_path(png, folder, "set.tsv.media/test0/0.png");
    temporary_path(wav, folder, "set.tsv.media/test0.wav");
    damage(png, "half.png", true);
    damage(png, "damaged.png", false);
    assert_fails(LIST("predict", "--run", run, "--face", temporary_path(path, folder, "half.png")),
                 "half.png");
    assert_fails(LIST("predict", "--run", run, "--face", temporary_path(path, folder, "damaged.png")),
                 "damaged.png");
    assert_fails(LIST("predict", "--run", run, "--face", wav), "test0.wav", "PNG");
    assert_fails(LIST("predict", "--run", run, "--face", "/no/such.png"), "/no/such.png",
                 "No such file or directory");
    assert_fails(LIST("predict", "--run", run, "--audio", png), "0.png");
    assert_fails(LIST("predict", "--run", run, "--audio", write_text(path, "empty.wav", "")),
                 "empty.wav: is empty");
    assert_fails(LIST("predict", "--run", run, "--audio",
                      write_text(path, "lfs.wav", "version https://git-lfs.github.com/spec/v1\n")),
                 "lfs.wav: is a Git LFS pointer");
    assert_fails(LIST("predict", "--run", run, "--text", "caf\xe9"), "UTF-8");
    assert_fails(LIST("predict", "--run", run), "nothing to predict from");
}

static void training_on_a_damaged_file_names_it(void **state)
{
    (void)state;
    static const tiny_set set = { "damaged.tsv", { 18, 6, 0 }, NULL };
    char data[TEMPORARY_PATH_BYTES], from[TEMPORARY_PATH_BYTES];
    assert_true(tiny_set_make(&set, folder, data));
    damage(temporary_path(from, folder, "damaged.tsv.media/train7/1.png"),
           "damaged.tsv.media/train7/1.png", true);
    assert_training_fails(data, LIST("damaged.tsv.media/train7/1.png"));
}

/* ------------------------------------------------------------------ runs -- */

/* A copy of the run, in which `name` holds `text`, or is missing if that is NULL. */
static const char *changed_run(char path[TEMPORARY_PATH_BYTES], const char *name, const char *text)
{
    static const char *const files[] = { "config.json", "vocabulary.txt", "best.safetensors",
                                         "last.safetensors" };
    char from[TERN_PATH_BYTES], to[TEMPORARY_PATH_BYTES], relative[64];
    tern_error error = { 0 };
    for (int i = 0; i < 4; i++) {
        size_t size;
        assert_true(tern_run_path(run, files[i], from, &error));
        uint8_t *bytes = tern_file_read(from, &size, &error);
        assert_non_null(bytes);
        snprintf(relative, sizeof relative, "changed/%s", files[i]);
        assert_true(temporary_file(to, folder, relative, bytes, size));
        free(bytes);
        if (strcmp(files[i], name) == 0)
            assert_true(text ? temporary_file(to, folder, relative, text, strlen(text))
                             : unlink(to) == 0);
    }
    return temporary_path(path, folder, "changed");
}

/* config.json with `old` replaced by `new`. */
static const char *changed_config(char path[TEMPORARY_PATH_BYTES], const char *old, const char *new)
{
    char config[TERN_PATH_BYTES], changed[8192];
    tern_error error = { 0 };
    assert_true(tern_run_path(run, "config.json", config, &error));
    char *text = read_text(config), *at = strstr(text, old);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    free(text);
    return changed_run(path, "config.json", changed);
}

static void a_run_is_refused_by_key_or_file(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *says;
    } keys[] = {
        { "\"heads\"", "\"haeds\"", "config.json: unknown key \"haeds\" in \"model\", did you mean "
                                    "\"heads\"?" },
        { "\"warmup\"", "\"warm\"", "unknown key \"warm\" in \"train\"" },
        { "\"data\"", "\"dta\"", "unknown key \"dta\" in the file, did you mean \"data\"?" },
        { "\"fnv1a64\"", "\"fnv1\"", "unknown key \"fnv1\" in \"data\"" },
        { "\"size\": 8", "\"size\": \"8\"", "\"model\".\"size\" must be a whole number" },
        { "\"size\": 8", "\"size\": 7", "config.json: model: size 7 must be even" },
        { "\"lr\": ", "\"lr\": -", "config.json: lr is -0.01, it must be a number from 0 to 10" },
        { "\"balance\": false", "\"balance\": 0", "\"train\".\"balance\" must be true or false" },
        { "\"face\"", "\"smell\"", "\"modalities\" has an unknown entry" },
        { "{", "{{", "config.json, line 1: " },
    };
    char path[TEMPORARY_PATH_BYTES];
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_fails(LIST("eval", "--data", manifest, "--run",
                          changed_config(path, keys[i].old, keys[i].new)), keys[i].says);
    assert_fails(LIST("eval", "--data", manifest, "--run", changed_run(path, "config.json", NULL)),
                 "changed is no run", "config.json: No such file or directory");
    assert_fails(LIST("eval", "--data", manifest, "--run", changed_run(path, "vocabulary.txt", NULL)),
                 "vocabulary.txt: cannot be opened: No such file or directory");
    assert_fails(LIST("eval", "--data", manifest, "--run",
                      changed_run(path, "vocabulary.txt", "[PAD]\n[UNK]\n[CLS]\nno\n")),
                 "vocabulary.txt");
    assert_fails(LIST("eval", "--data", manifest, "--run", changed_run(path, "best.safetensors", NULL)),
                 "best.safetensors: cannot be opened: No such file or directory");
    assert_fails(LIST("predict", "--text", "no", "--run",
                      changed_run(path, "best.safetensors", "not a checkpoint")),
                 "best.safetensors: header of", "truncated or not a safetensors file");
    assert_fails(LIST("train", "--resume", "--run", changed_run(path, "last.safetensors", NULL)),
                 "changed has no last.safetensors");
    assert_fails(LIST("train", "--resume", "--run", changed_run(path, "last.safetensors", "1234567")),
                 "last.safetensors: 7 bytes are too few");
    assert_fails(LIST("eval", "--data", manifest, "--run", "/no/run"), "/no/run is no run");
}

static void a_finished_run_is_not_overwritten(void **state)
{
    (void)state;
    char config[TERN_PATH_BYTES];
    tern_error error = { 0 };
    program p;
    assert_true(tern_run_path(run, "config.json", config, &error));
    char *before = read_text(config);
    program_train(&p, manifest, run, LIST("--epochs", "1"));
    program_wait(&p);
    program_assert_failed(&p, LIST("exists already: resume it or choose another folder"));
    char *after = read_text(config);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_refused_by_line),
        cmocka_unit_test(media_are_refused_by_name),
        cmocka_unit_test(training_on_a_damaged_file_names_it),
        cmocka_unit_test(a_run_is_refused_by_key_or_file),
        cmocka_unit_test(a_finished_run_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
