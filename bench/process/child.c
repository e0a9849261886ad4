#include "bench/process/child.h"

#include "bench/measure/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const double SLICE_SECONDS = 0.02; /* between questions whether to stop */

enum { COMPLAINT = 400 };

struct bench_child {
    pid_t id;
    int socket, errors; /* what it is told and says; the file of its error output */
    bool reaped;
    int status; /* as waitpid says, once reaped */
    size_t held; /* bytes in line, of which the first `given` are the last answer */
    size_t given;
    char line[BENCH_CHILD_LINE + 1];
};

/* ------------------------------------------------------------- starting -- */

/* In the child, between fork and exec: nothing but system calls. */
static void become(const char *command, int socket, int errors, pid_t parent)
{
    const char *const arguments[] = { "sh", "-c", command, NULL };
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    if (getppid() == parent && dup2(socket, 0) == 0 && dup2(socket, 1) == 1 &&
        dup2(errors, 2) == 2 && close_range(3, ~0u, 0) == 0)
        execv("/bin/sh", (char *const *)arguments);
    _exit(127);
}

/* A file without a name. */
static int open_errors(void)
{
    FILE *file = tmpfile();
    int errors = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 3) : -1;
    if (file)
        fclose(file);
    return errors;
}

bench_child *bench_child_start(const char *command, tern_error *error)
{
    int ends[2] = { -1, -1 };
    pid_t parent = getpid();
    bench_child *child = calloc(1, sizeof *child);
    int errors = child ? open_errors() : -1;
    if (errors < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        (child->id = fork()) < 0) {
        tern_error_set(error, TERN_ERR_IO, "no process can be started: %s", strerror(errno));
        for (int i = 0; i < 2 && ends[0] >= 0; i++)
            close(ends[i]);
        if (errors >= 0)
            close(errors);
        free(child);
        return NULL;
    }
    if (child->id == 0)
        become(command, ends[1], errors, parent);
    setpgid(child->id, child->id); /* also here: it may be killed before it has run */
    close(ends[1]);
    child->socket = ends[0];
    child->errors = errors;
    return child;
}

/* --------------------------------------------------------------- ending -- */

static bool reap(bench_child *child, int flags)
{
    pid_t found;
    while (!child->reaped && (found = waitpid(child->id, &child->status, flags)) != 0)
        if (found == child->id || errno != EINTR)
            child->reaped = true;
    return child->reaped;
}

static void sleep_for(double seconds)
{
    struct timespec time = { 0, (long)(seconds * 1e9) };
    nanosleep(&time, NULL);
}

static bool ends_within(bench_child *child, double seconds)
{
    double until = bench_seconds() + seconds;
    while (!reap(child, WNOHANG) && bench_seconds() < until)
        sleep_for(1e-3);
    return child->reaped;
}

void bench_child_end(bench_child *child, double seconds)
{
    if (!child)
        return;
    shutdown(child->socket, SHUT_WR);
    ends_within(child, seconds);
    kill(-child->id, SIGKILL); /* and what it may have left behind */
    reap(child, 0);
    close(child->socket);
    close(child->errors);
    free(child);
}

/* The last line of its error output that is not empty; "" if there is none. */
static void last_complaint(const bench_child *child, char text[COMPLAINT])
{
    off_t size = lseek(child->errors, 0, SEEK_END);
    off_t from = size > COMPLAINT - 1 ? size - (COMPLAINT - 1) : 0;
    ssize_t got = size > 0 ? pread(child->errors, text, COMPLAINT - 1, from) : 0;
    text[got > 0 ? got : 0] = '\0';
    char *end = text + strlen(text);
    while (end > text && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        *--end = '\0';
    char *line = strrchr(text, '\n');
    if (line)
        memmove(text, line + 1, strlen(line));
}

/* The error: how it ended, and what it said last. */
static void tell_end(bench_child *child, tern_error *error)
{
    char complaint[COMPLAINT], how[64] = "it closed its output";
    if (ends_within(child, 1)) {
        if (WIFSIGNALED(child->status))
            snprintf(how, sizeof how, "it was killed by signal %d", WTERMSIG(child->status));
        else
            snprintf(how, sizeof how, "it ended with status %d", WEXITSTATUS(child->status));
    }
    last_complaint(child, complaint);
    tern_error_set(error, TERN_ERR_IO, "%s before it answered%s%s", how, *complaint ? ": " : "",
                   complaint);
}

/* ---------------------------------------------------------------- lines -- */

bool bench_child_tell(bench_child *child, const char *line, tern_error *error)
{
    size_t length = strlen(line), sent = 0;
    while (sent < length) {
        /* What is told is short: if it does not fit, the child does not read. */
        ssize_t now = send(child->socket, line + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            tell_end(child, error);
            return false;
        }
        if (now < 0)
            return tern_error_set(error, TERN_ERR_IO, "it cannot be told anything: %s",
                                  strerror(errno));
        sent += (size_t)now;
    }
    return true;
}

/* More bytes into line; false and an error at the end. */
static bool receive(bench_child *child, tern_error *error)
{
    ssize_t got = recv(child->socket, child->line + child->held, BENCH_CHILD_LINE - child->held,
                       MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0) {
        tell_end(child, error);
        return false;
    }
    child->held += (size_t)got;
    return child->held < BENCH_CHILD_LINE || memchr(child->line, '\n', child->held) ||
           tern_error_set(error, TERN_ERR_FORMAT, "it wrote %d bytes without the end of a line",
                          BENCH_CHILD_LINE);
}

const char *bench_child_answer(bench_child *child, const bench_patience *patience,
                               tern_error *error)
{
    double until = bench_seconds() + patience->seconds;
    memmove(child->line, child->line + child->given, child->held - child->given);
    child->held -= child->given;
    child->given = 0;
    char *end;
    while (!(end = memchr(child->line, '\n', child->held))) {
        struct pollfd wait = { .fd = child->socket, .events = POLLIN };
        if (poll(&wait, 1, (int)(SLICE_SECONDS * 1e3)) > 0 && !receive(child, error))
            return NULL;
        if (patience->stop && patience->stop(patience->user)) {
            tern_error_set(error, TERN_ERR_IO, "interrupted");
            return NULL;
        }
        if (bench_seconds() > until && !memchr(child->line, '\n', child->held)) {
            tern_error_set(error, TERN_ERR_IO, "no answer within %g s", patience->seconds);
            return NULL;
        }
    }
    *end = '\0';
    child->given = (size_t)(end - child->line) + 1;
    return child->line;
}
