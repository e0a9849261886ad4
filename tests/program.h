/* Running the tern program as its users do. */
#ifndef TERN_TESTS_PROGRAM_H
#define TERN_TESTS_PROGRAM_H

#include <sys/types.h>

typedef struct program {
    int status;      /* exit status; 128 + number if a signal killed it */
    char *out, *err; /* what it printed                                  */
    pid_t id;
    int files[2];    /* that receive it                                  */
} program;

enum { PROGRAM_ARGUMENTS = 64 };

/* Run tern, of the build folder that the test is in, to its end; NULL after the last
 * argument.  The test fails if it cannot be started. */
void program_run(program *p, const char *const *arguments);
/* The same, but what it prints goes to a file or device; p->out is empty. */
void program_run_into(program *p, const char *path, const char *const *arguments);
void program_free(program *p);

/* It failed, printed nothing but one error, and said all of this (NULL ends); frees it. */
void program_assert_failed(program *p, const char *const *says);
/* program_run and that: assert_fails(LIST("op", "linear"), "wanted", "in the error"). */
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define assert_fails(arguments, ...)                                                              \
    do {                                                                                          \
        program ended;                                                                            \
        program_run(&ended, arguments);                                                           \
        program_assert_failed(&ended, LIST(__VA_ARGS__));                                         \
    } while (0)

/* The same in two steps; between them p->id may be sent signals. */
void program_start(program *p, const char *const *arguments);
void program_wait(program *p);
/* Wait until it has printed this; the test fails if it ends without, or takes a minute. */
void program_wait_for(program *p, const char *text);

/* Start `tern train` of the smallest model on a tiny set; `more` are further arguments,
 * ended by NULL, or NULL. */
void program_train(program *p, const char *data, const char *run, const char *const *more);
/* The same with `tern BEFORE train ...`. */
void program_train_after(program *p, const char *const *before, const char *data, const char *run,
                         const char *const *more);

#endif
