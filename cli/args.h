/* Command-line flags, declared as a table: parsing, --help and near-miss
 * suggestions all come from it.
 */
#ifndef TERN_CLI_ARGS_H
#define TERN_CLI_ARGS_H

#include <stdbool.h>

typedef enum cli_kind {
    CLI_END = 0,
    CLI_FLAG,     /* bool, no value               */
    CLI_TEXT,     /* const char *                 */
    CLI_COUNT,    /* int, from 0 on               */
    CLI_NUMBER,   /* int, from 1 on               */
    CLI_LONG,     /* long, from 1 on              */
    CLI_SEED,     /* uint64_t                     */
    CLI_REAL,     /* double                       */
    CLI_POSITIVE, /* double, more than 0          */
    CLI_REPEAT    /* cli_list: may be given often */
} cli_kind;

enum { CLI_MAX_REPEAT = 64 };
typedef struct cli_list {
    const char *items[CLI_MAX_REPEAT];
    int count;
} cli_list;

typedef struct cli_flag {
    const char *name; /* "--out"                      */
    cli_kind kind;
    void *target;     /* holds the default beforehand, which --help shows (0 of a seed only) */
    const char *value; /* "FILE", for --help          */
    const char *doc;
} cli_flag;

typedef struct cli_command {
    const char *name;    /* "op", "data synth"                */
    const char *usage;   /* "NAME --in FILE --out FILE"       */
    const char *summary; /* what it does, a few lines at most */
    const char *example; /* a command line and what it gives  */
    int least, most;     /* words it takes besides flags      */
} cli_command;

/* What main and the subcommands return as exit status; see also interrupt.h. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Parse argv[1..argc): flags into their targets, the rest into words, as many as the
 * command takes.  Returns -1 to go on, or the exit status when --help was asked for or
 * something is wrong (the message has been printed). */
int cli_parse(const cli_command *command, const cli_flag *flags, int argc, char **argv,
              cli_list *words);

/* Was this flag among the arguments? */
bool cli_given(int argc, char **argv, const char *flag);

/* The first of some NAME=VALUE whose name an earlier one has; NULL if there is none. */
const char *cli_named_twice(const cli_list *settings);

/* "tern NAME: error: message" on stderr; returns CLI_FAILED. */
int cli_fail(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for wrong usage; returns CLI_USAGE. */
int cli_misused(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
