/* See program.h. */
#include "program.h"

#include "check.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* BUILD/tests/test_cli -> BUILD/tern */
static void find_program(char path[4096])
{
    ssize_t length = readlink("/proc/self/exe", path, 4000);
    assert_true(length > 0);
    path[length] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(path, '/');
        assert_non_null(slash);
        *slash = '\0';
    }
    strcat(path, "/tern");
    if (access(path, X_OK) != 0)
        fail_msg("%s is not built", path);
}

static void start(program *p, const char *const *arguments, const char *out)
{
    char path[4096], *argv[PROGRAM_ARGUMENTS + 2] = { path };
    posix_spawn_file_actions_t actions;
    find_program(path);
    *p = (program){ .status = -1 };
    for (int i = 0; arguments[i]; i++) {
        assert_true(i < PROGRAM_ARGUMENTS);
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    for (int i = 0; i < 2; i++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        p->files[i] = dup(fileno(file));
        fclose(file);
        assert_true(p->files[i] >= 0);
        posix_spawn_file_actions_adddup2(&actions, p->files[i], i + 1);
    }
    if (out)
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT, 0666);
    int failure = posix_spawn(&p->id, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure)
        fail_msg("%s: %s", path, strerror(failure));
}

void program_start(program *p, const char *const *arguments)
{
    start(p, arguments, NULL);
}

/* All that is in a file so far. */
static char *read_all(int file)
{
    struct stat info;
    assert_int_equal(fstat(file, &info), 0);
    char *text = calloc((size_t)info.st_size + 1, 1);
    assert_non_null(text);
    assert_true(pread(file, text, (size_t)info.st_size, 0) == info.st_size);
    return text;
}

static bool has_printed(const program *p, const char *text)
{
    bool found = false;
    for (int i = 0; i < 2; i++) {
        char *printed = read_all(p->files[i]);
        found = found || strstr(printed, text);
        free(printed);
    }
    return found;
}

static bool has_ended(const program *p)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)p->id, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

void program_wait_for(program *p, const char *text)
{
    const struct timespec pause = { 0, 10 * 1000 * 1000 };
    for (int i = 0; !has_printed(p, text); i++) {
        if (has_ended(p) && !has_printed(p, text)) {
            program_wait(p);
            fail_msg("ended with %d before it printed \"%s\": %s", p->status, text, p->err);
        }
        assert_true(i < 6000);
        nanosleep(&pause, NULL);
    }
}

void program_wait(program *p)
{
    int status;
    assert_true(waitpid(p->id, &status, 0) == p->id);
    p->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    p->out = read_all(p->files[0]);
    p->err = read_all(p->files[1]);
    close(p->files[0]);
    close(p->files[1]);
}

void program_run(program *p, const char *const *arguments)
{
    program_start(p, arguments);
    program_wait(p);
}

void program_run_into(program *p, const char *path, const char *const *arguments)
{
    start(p, arguments, path);
    program_wait(p);
}

void program_train(program *p, const char *data, const char *run, const char *const *more)
{
    program_train_after(p, (const char *const[]){ NULL }, data, run, more);
}

void program_train_after(program *p, const char *const *before, const char *data, const char *run,
                         const char *const *more)
{
    static const char *const first[] = {
        "train", "--epochs", "2", "--batch", "6", "--lr", "1e-2", "--threads", "1",
        "--set", "model.size=8", "--set", "model.heads=2", "--set", "model.frames=2",
        "--set", "model.height=16", "--set", "model.width=16", "--set", "model.channels=1",
        "--set", "model.face_width=2", "--set", "model.seconds=0.3", "--set", "model.mels=32",
        "--set", "model.audio_width=2", "--set", "model.tokens=5", "--set", "model.text_layers=1",
    };
    enum { FIRST = sizeof first / sizeof first[0] };
    const char *arguments[PROGRAM_ARGUMENTS + 1] = { NULL };
    int count = 0;
    while (before[count]) {
        arguments[count] = before[count];
        count++;
    }
    assert_true(count + FIRST + 4 <= PROGRAM_ARGUMENTS);
    memcpy(arguments + count, first, sizeof first);
    count += FIRST;
    arguments[count++] = "--data";
    arguments[count++] = data;
    arguments[count++] = "--run";
    arguments[count++] = run;
    for (int i = 0; more && more[i]; i++) {
        assert_true(count < PROGRAM_ARGUMENTS);
        arguments[count++] = more[i];
    }
    program_start(p, arguments);
}

void program_free(program *p)
{
    free(p->out);
    free(p->err);
    *p = (program){ 0 };
}

void program_assert_failed(program *p, const char *const *says)
{
    if (p->status != 1)
        fail_msg("exit status %d: %s%s", p->status, p->out, p->err);
    assert_string_equal(p->out, "");
    assert_int_equal(strncmp(p->err, "tern ", 5), 0);
    assert_ptr_equal(strchr(p->err, '\n'), p->err + strlen(p->err) - 1);
    for (; *says; says++)
        if (!strstr(p->err, *says))
            fail_msg("wanted \"%s\", got: %s", *says, p->err);
    program_free(p);
}
