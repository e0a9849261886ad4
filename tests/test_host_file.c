/* Promises of files that are written: whole or not at all, in the place that was named, and
 * never in place of what is no file. */
#include "check.h"
#include "temporary_folder.h"

#include "core/host_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMPORARY_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    return temporary_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    temporary_folder_remove(folder);
    return 0;
}

static bool write_text(const char *path, const char *text, bool complete, tern_error *error)
{
    tern_whole_file *file = tern_whole_file_create(path, error);
    return file && tern_whole_file_finish(file, tern_whole_file_write(file, text, strlen(text)) &&
                                                    complete);
}

static void assert_holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    assert_int_equal(size, strlen(text));
    assert_string_equal(found, text);
}

static mode_t type_of(const char *path)
{
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode & S_IFMT;
}

static void what_is_not_complete_leaves_the_earlier_file(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    temporary_path(path, folder, "whole");
    assert_true(write_text(path, "first", true, &error));
    assert_false(write_text(path, "second", false, &error));
    assert_holds(path, "first");
    assert_true(write_text(path, "third", true, &error));
    assert_holds(path, "third");
}

/* link -> below/middle -> last, and last need not be there. */
static void a_symbolic_link_stays_one(void **state)
{
    (void)state;
    char link[TEMPORARY_PATH_BYTES], middle[TEMPORARY_PATH_BYTES], last[TEMPORARY_PATH_BYTES];
    tern_error error = { 0 };
    temporary_path(link, folder, "link");
    temporary_path(middle, folder, "below/middle");
    temporary_path(last, folder, "below/last");
    assert_int_equal(symlink("below/middle", link), 0);
    assert_int_equal(symlink("last", middle), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(write_text(link, i ? "again" : "first", true, &error));
        assert_int_equal(type_of(link), S_IFLNK);
        assert_int_equal(type_of(middle), S_IFLNK);
        assert_int_equal(type_of(last), S_IFREG);
        assert_holds(last, i ? "again" : "first");
    }
    assert_int_equal(unlink(last), 0);
    assert_int_equal(symlink("../link", last), 0);
    assert_false(write_text(link, "round and round", true, &error));
    assert_non_null(strstr(error.message, "Too many levels of symbolic links"));
}

static void *read_pipe(void *path)
{
    assert_holds(path, "through the pipe");
    return NULL;
}

static void a_pipe_is_written_into_and_stays_one(void **state)
{
    (void)state;
    char path[TEMPORARY_PATH_BYTES], link[TEMPORARY_PATH_BYTES];
    pthread_t reader;
    tern_error error = { 0 };
    temporary_path(path, folder, "pipe");
    temporary_path(link, folder, "link to pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(symlink("pipe", link), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&reader, NULL, read_pipe, path), 0);
        assert_true(write_text(i ? link : path, "through the pipe", true, &error));
        pthread_join(reader, NULL);
        assert_int_equal(type_of(path), S_IFIFO);
    }
}

/* A device: what a pseudo-terminal's other end receives. */
static void a_device_is_written_into_and_stays_one(void **state)
{
    (void)state;
    char received[8] = "";
    tern_error error = { 0 };
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        skip();
    const char *path = ptsname(terminal);
    int other_end = open(path, O_RDWR | O_NOCTTY); /* keeps it open after the write */
    assert_true(other_end >= 0);
    assert_true(write_text(path, "tern", true, &error));
    assert_int_equal(type_of(path), S_IFCHR);
    assert_true(read(terminal, received, 4) == 4);
    assert_string_equal(received, "tern");
    close(other_end);
    close(terminal);
}

static void a_folder_is_not_written_over(void **state)
{
    (void)state;
    tern_error error = { 0 };
    assert_false(write_text(folder, "text", true, &error));
    assert_non_null(strstr(error.message, "cannot be written: Is a directory"));
    assert_int_equal(type_of(folder), S_IFDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_complete_leaves_the_earlier_file),
        cmocka_unit_test(a_symbolic_link_stays_one),
        cmocka_unit_test(a_pipe_is_written_into_and_stays_one),
        cmocka_unit_test(a_device_is_written_into_and_stays_one),
        cmocka_unit_test(a_folder_is_not_written_over),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
