/* A program in a process of its own, with which lines are exchanged.
 *
 * It is started by `sh -c COMMAND` in a process group of its own, so that Ctrl-C at the
 * terminal does not reach it and it can be killed with all that it started.  Its standard input
 * and output are one socket; its error output goes to a file, whose last line is quoted when
 * it dies.  It is killed when this process dies.
 */
#ifndef TERN_BENCH_PROCESS_CHILD_H
#define TERN_BENCH_PROCESS_CHILD_H

#include "core/error.h"

typedef struct bench_child bench_child;

/* Waiting ends after `seconds`, or when `stop`, asked every few hundredths of a second, says
 * so; it may be NULL. */
typedef struct bench_patience {
    double seconds;
    bool (*stop)(void *user);
    void *user;
} bench_patience;

/* NULL and an error if there is no process to be had.  A command that does not exist is told
 * by the first answer that does not come. */
bench_child *bench_child_start(const char *command, tern_error *error);

/* A line, which ends in '\n'. */
bool bench_child_tell(bench_child *child, const char *line, tern_error *error);

/* The next line that it writes, without its end; the child owns it until the next is asked for.
 * NULL and an error that says how it ended, that it took too long, or that it wrote more
 * than a line can have. */
enum { BENCH_CHILD_LINE = 1 << 16 };
const char *bench_child_answer(bench_child *child, const bench_patience *patience,
                               tern_error *error);

/* Close its input, give it `seconds` to end, then kill it and what it started. */
void bench_child_end(bench_child *child, double seconds);

#endif
